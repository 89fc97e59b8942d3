import { describe, expect, it } from "vitest";
import { meet, placed, Taken } from "./placing";

describe("things on the screen", () => {
  it("never cover each other, and the first come first", () => {
    const things = Array.from({ length: 400 }, (_, i) => ({ x: (i * 97) % 800, y: (i * 61) % 600, i }));
    const found = placed(
      things,
      { width: 800, height: 600 },
      (one) => [one.x, one.y],
      (one) => 40 + (one.i % 50),
      20,
      60,
    );
    expect(found.length).toBeGreaterThan(20);
    expect(found.length).toBeLessThanOrEqual(60);
    found.forEach((a, i) => found.slice(i + 1).forEach((b) => expect(meet(a, b)).toBe(false)));
    const first = things.find((one) => one.x > 60 && one.x < 740 && one.y > 10 && one.y < 590);
    expect(found[0]?.i).toBe(first?.i);
    expect(found.every((one) => one.left >= 0 && one.left + one.width <= 800)).toBe(true);
  });
  it("touch at most", () => {
    const taken = new Taken();
    expect(taken.take({ left: -30, top: -30, width: 30, height: 30 })).toBe(true);
    expect(taken.take({ left: 0, top: -30, width: 300, height: 30 })).toBe(true);
    expect(taken.take({ left: 290, top: -10, width: 30, height: 30 })).toBe(false);
  });
});

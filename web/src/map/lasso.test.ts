import { describe, expect, it } from "vitest";
import { enclosed, inside, thinned } from "./lasso";

const bay: [number, number][] = [
  [0, 0],
  [4, 0],
  [4, 4],
  [2, 1],
  [0, 4],
];

describe("the lasso", () => {
  it("leaves out what lies in a bay of its line", () => {
    expect(inside(bay, 0.5, 2)).toBe(true);
    expect(inside(bay, 2, 3)).toBe(false);
    expect(inside(bay, 2, 0.5)).toBe(true);
    expect(inside(bay, 5, 0.5)).toBe(false);
  });
  it("gives indexes in the map's order", () => {
    const points = Float32Array.from([2, 3, 0.5, 2, 9, 9, 2, 0.5]);
    expect([...enclosed(bay, points)]).toEqual([1, 3]);
    expect([...enclosed(bay.slice(0, 2), points)]).toEqual([]);
  });
  it("agrees with a rectangle on many points", () => {
    const points = Float32Array.from({ length: 2000 }, (_, i) => ((i * 7919) % 1000) / 100);
    const square: [number, number][] = [
      [2, 3],
      [7, 3],
      [7, 8],
      [2, 8],
    ];
    const expected = [...Array(1000).keys()].filter((i) => {
      const [x, y] = [points[2 * i]!, points[2 * i + 1]!];
      return x > 2 && x < 7 && y > 3 && y < 8;
    });
    const found = new Set(enclosed(square, points));
    expect(expected.every((i) => found.has(i))).toBe(true);
    expect(found.size - expected.length).toBeLessThan(20);
  });
  it("needs no more corners than can be seen", () => {
    const line = Array.from({ length: 100 }, (_, i): [number, number] => [i, 0]);
    expect(thinned(line, 10)).toHaveLength(10);
  });
});

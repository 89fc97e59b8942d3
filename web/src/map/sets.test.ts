import { describe, expect, it } from "vitest";
import { both, holds } from "./sets";

const set = (...values: number[]): Uint32Array => Uint32Array.from(values);

describe("sets of indexes", () => {
  it("are what both hold, and null is everything", () => {
    expect([...both(set(1, 4, 5, 9), set(0, 4, 9, 12))!]).toEqual([4, 9]);
    expect(both(null, null)).toBeNull();
    expect([...both(null, set(3))!]).toEqual([3]);
    expect([...both(set(), set(3))!]).toEqual([]);
  });
  it("know what they hold", () => {
    expect([0, 4, 9, 10].map((one) => holds(set(4, 9), one))).toEqual([false, true, true, false]);
    expect(holds(set(), 0)).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { panned, seen, toMap, toScreen, whole, zoomed, readView, written } from "./view";

const size = { width: 800, height: 600 };
const bounds = { x: [-2, 6] as [number, number], y: [1, 5] as [number, number] };
const view = whole(bounds, size);

describe("the view of a map", () => {
  it("shows everything, with y upwards", () => {
    const [left, bottom] = toScreen(view, size, -2, 1);
    const [right, top] = toScreen(view, size, 6, 5);
    expect(left).toBeGreaterThanOrEqual(0);
    expect(right).toBeLessThanOrEqual(800);
    expect(top).toBeLessThan(bottom);
  });
  it("goes to the screen and back", () => {
    const there = toMap(view, size, ...toScreen(view, size, 1.25, 3.5));
    expect(there[0]).toBeCloseTo(1.25);
    expect(there[1]).toBeCloseTo(3.5);
  });
  it("keeps what is under the hand where it is", () => {
    const before = toMap(view, size, 130, 410);
    const after = toMap(zoomed(view, size, 3, 130, 410, view.scale), size, 130, 410);
    expect(after[0]).toBeCloseTo(before[0]);
    expect(after[1]).toBeCloseTo(before[1]);
    const [x, y] = toScreen(panned(view, 10, -20), size, 2, 3);
    const [fromX, fromY] = toScreen(view, size, 2, 3);
    expect([x - fromX, y - fromY].map(Math.round)).toEqual([10, -20]);
  });
  it("does not zoom without end", () => {
    let far = view;
    for (let i = 0; i < 100; i++) far = zoomed(far, size, 0.5, 0, 0, view.scale);
    expect(far.scale).toBeGreaterThan(view.scale / 10);
    for (let i = 0; i < 100; i++) far = zoomed(far, size, 2, 0, 0, view.scale);
    expect(Number.isFinite(far.scale)).toBe(true);
  });
  it("stands a single point and a screen without room", () => {
    const one = whole({ x: [3, 3], y: [4, 4] }, { width: 0, height: 0 });
    expect(Object.values(one).every(Number.isFinite)).toBe(true);
    expect(seen(view, size).x[0]).toBeLessThan(-2);
  });
});

it("is written for an address and read back", () => {
  const view = { x: -3.25, y: 0.000123, scale: 80 };
  expect(written(view, 10)).toBe("-3.25,0.000123,8");
  expect(readView("-3.25,0.000123,8", 10)).toEqual(view);
  expect(written(readView("1.23456789,2,3.33333", 0.7)!, 0.7)).toBe("1.234568,2,3.333");
});
it("is none where the address holds no view", () => {
  for (const text of ["", "1,2", "1,2,3,4", "a,b,c", "1,2,0", "1,2,-1", "1,NaN,2", "Infinity,0,1"])
    expect(readView(text, 1)).toBeNull();
  expect(readView("0,0,1e9", 1)!.scale).toBe(4000);
});

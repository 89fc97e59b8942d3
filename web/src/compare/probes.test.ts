import { expect, it } from "vitest";
import type { Probe } from "../api";
import { axisOf, betterOf, pairsOf, verdictOf } from "./probes";

const probe = (name: string, low: number | null, high: number | null): Probe => ({
  name,
  title: name,
  value: low === null || high === null ? null : (low + high) / 2,
  low,
  high,
  null_low: null,
  null_high: null,
  p: null,
  higher_is_better: null,
  said: "",
});

it("puts probes of one name together and leaves none out", () => {
  const found = pairsOf([probe("a", 0, 1), probe("b", 0, 1)], [probe("c", 0, 1), probe("b", 0, 1)]);
  expect(found.map(({ name, here, there }) => [name, here !== null, there !== null])).toEqual([
    ["a", true, false],
    ["b", true, true],
    ["c", false, true],
  ]);
});
it("calls two values different only where their intervals lie apart", () => {
  const verdict = (a: [number, number] | null, b: [number, number] | null) =>
    verdictOf({
      name: "x",
      title: "x",
      here: a && probe("x", ...a),
      there: b && probe("x", ...b),
    });
  expect(verdict([0.5, 0.6], [0.3, 0.4])).toBe("here");
  expect(verdict([0.3, 0.4], [0.5, 0.6])).toBe("there");
  expect(verdict([0.3, 0.5], [0.5, 0.6])).toBe("same");
  expect(verdict(null, [0.5, 0.6])).toBe("unknown");
  expect(verdictOf({ name: "x", title: "x", here: probe("x", null, null), there: probe("x", 0, 1) })).toBe("unknown");
});
it("calls one better only where the probe says which way is better", () => {
  const better = (more: boolean | null, a: [number, number], b: [number, number]) =>
    betterOf({
      name: "x",
      title: "x",
      here: { ...probe("x", ...a), higher_is_better: more },
      there: { ...probe("x", ...b), higher_is_better: more },
    });
  expect(better(true, [0.5, 0.6], [0.3, 0.4])).toBe("here");
  expect(better(false, [0.5, 0.6], [0.3, 0.4])).toBe("there");
  expect(better(false, [0.1, 0.2], [0.3, 0.4])).toBe("here");
  expect(better(false, [0.3, 0.5], [0.4, 0.6])).toBeNull();
  expect(better(null, [0.5, 0.6], [0.3, 0.4])).toBeNull();
});
it("has an axis that holds all values, and 0", () => {
  const [least, most] = axisOf({ name: "x", title: "x", here: probe("x", 0.2, 0.4), there: probe("x", -0.1, 0.1) });
  expect(least).toBeLessThan(-0.1);
  expect(most).toBeGreaterThan(0.4);
  expect(axisOf({ name: "x", title: "x", here: probe("x", 0.2, 0.4), there: null })[0]).toBe(0);
  expect(axisOf({ name: "x", title: "x", here: null, there: probe("x", null, null) })).toEqual([0, 1]);
});

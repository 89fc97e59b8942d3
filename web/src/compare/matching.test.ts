import { expect, it } from "vitest";
import type { Legend, LegendValue } from "../api";
import { colouredAs, inverse, NONE, partnerOf, partnersOf, withoutPartner } from "./matching";

const match = Uint32Array.of(2, NONE, 0, 2);

it("finds partners both ways, the first of several", () => {
  expect([...inverse(match, 4)]).toEqual([2, NONE, 0, NONE]);
  expect([...inverse(Uint32Array.of(9), 2)]).toEqual([NONE, NONE]);
  expect(withoutPartner(match)).toBe(1);
  expect(partnerOf(0, match)).toBe(2);
  expect(partnerOf(1, match)).toBe(null);
  expect(partnerOf(null, match)).toBe(null);
  expect(partnerOf(7, match)).toBe(null);
  expect(partnerOf(0, null)).toBe(null);
});
it("counts what has no partner and gives each place once, ascending", () => {
  const { found, missing } = partnersOf([3, 0, 1, 2], match);
  expect([...found]).toEqual([0, 2]);
  expect(missing).toBe(1);
  expect([...partnersOf([0, 1], Uint32Array.of(70000, 9)).found]).toEqual([9, 70000]);
});
it("gives the same values the same colours", () => {
  const value = (code: number, name: string, color: string): LegendValue => ({
    code,
    value: name,
    name,
    common_name: null,
    images: 1,
    color,
    dark: color,
    named: false,
  });
  const legend = (values: LegendValue[]): Legend => ({
    by: "x",
    kind: "category",
    values,
    without: 0,
    least: null,
    most: null,
  });
  const other = colouredAs(
    legend([value(0, "b", "#111111"), value(1, "c", "#222222")]),
    legend([value(0, "a", "#333333"), value(1, "b", "#444444")]),
  );
  expect(other.values.map((one) => [one.code, one.color])).toEqual([
    [0, "#444444"],
    [1, "#222222"],
  ]);
});

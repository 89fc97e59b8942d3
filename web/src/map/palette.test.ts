import { describe, expect, it } from "vitest";
import { crowding } from "./density";
import { partsOf } from "./filters";
import { grey, NO_VALUE, paletteOf, ramp, rgb } from "./palette";

const of = (palette: Uint8Array, code: number): number[] => [...palette.slice(4 * code, 4 * code + 3)];

describe("colours by code", () => {
  const value = { value: "a", name: "a", common_name: null, images: 1, named: true };
  const legend = { by: "family", kind: "category" as const, without: 2, least: null, most: null };
  it("are the legend's, and grey without a value", () => {
    const values = [{ ...value, code: 300, color: "#010203", dark: "#a0b0c0" }];
    expect(of(paletteOf({ ...legend, values }, false), 300)).toEqual([1, 2, 3]);
    const dark = paletteOf({ ...legend, values }, true);
    expect(of(dark, 300)).toEqual([0xa0, 0xb0, 0xc0]);
    expect(of(dark, NO_VALUE)).toEqual(rgb(grey(true)));
  });
  it("are a gradient for numbers", () => {
    const palette = paletteOf({ ...legend, kind: "number", values: [] }, false);
    expect(of(palette, 0)).toEqual(rgb(ramp(0, false)));
    expect(of(palette, 255)).toEqual(rgb(ramp(1, false)));
  });
  it("say where many points are", () => {
    const points = Float32Array.from([...Array(40).fill(0.5), 9, 9]);
    const codes = crowding(points, { x: [0, 10], y: [0, 10] });
    expect(codes[0]).toBe(255);
    expect(codes[20]!).toBeLessThan(100);
  });
});

it("reads filters as the service does", () => {
  expect(partsOf("width>=500")).toEqual({ column: "width", operator: ">=", value: "500" });
  expect(partsOf("genus in Parus,Pica")).toEqual({ column: "genus", operator: "in", value: "Parus,Pica" });
  expect(partsOf("label=a=b")).toEqual({ column: "label", operator: "=", value: "a=b" });
  expect(partsOf("nothing")).toBeNull();
});

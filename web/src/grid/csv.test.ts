import { describe, expect, it } from "vitest";
import { cell, csv } from "./csv";

describe("tables for spreadsheets", () => {
  it("hold no formula", () => {
    for (const evil of ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "|calc", "%0"])
      expect(cell(evil).replace(/^"/, "")).toMatch(/^'/);
    expect(cell("Parus major")).toBe("Parus major");
    expect(cell(-0.5)).toBe("-0.5");
    expect(cell(null)).toBe("");
  });
  it("keep commas, quotes and lines inside their cells", () => {
    expect(cell('a "b", c')).toBe('"a ""b"", c"');
    expect(csv(["a", "b"], [["x\ny", 1]])).toBe('\ufeffa,b\r\n"x\ny",1\r\n');
  });
});

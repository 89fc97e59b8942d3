import { describe, expect, it } from "vitest";
import { csvOf, guarded, rowsOf, unguarded } from "./csv";

describe("a table for a spreadsheet", () => {
  it.each(["=1+1", "+1+1", "-1-1", "@SUM(A1)", "\t=1", " =cmd|'/c calc'!A1", "\r=1", "\n=1"])(
    "runs nothing of %j",
    (text) => {
      expect(rowsOf(csvOf([[text, "x"]]))[0]).toEqual([`'${text}`, "x"]);
    },
  );
  it.each(["Parus major", "photos/a-b=c.jpg", "-70.5", "+1e3", "'s Gravenhage", ""])("leaves %j as it is", (text) => {
    expect(guarded(text)).toBe(text);
    expect(unguarded(text)).toBe(text);
  });
  it.each(["=1", "'=1", "''@x", "＝1"])("gives %j back", (text) => {
    expect(guarded(text)).toBe(`'${text}`);
    expect(unguarded(guarded(text))).toBe(text);
  });
  it("comes back as it was", () => {
    const rows = [
      ["image_id", "uri", "label"],
      ["1", 'a "b", c', "two\r\nlines"],
      ["2", "", "é"],
    ];
    expect(rowsOf(csvOf(rows))).toEqual(rows);
    expect(rowsOf("\uFEFFa,b\n1,2")).toEqual([
      ["a", "b"],
      ["1", "2"],
    ]);
    expect(rowsOf("")).toEqual([]);
  });
});

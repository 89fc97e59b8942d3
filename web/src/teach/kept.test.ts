import { expect, it } from "vitest";
import { EMPTY, keyOfWork, workOf, workOfTable } from "./kept";

it("gives back what was kept", () => {
  const work = {
    classes: ["a"],
    of: [["1", "a"]],
    curve: [{ labels: 4, value: 0.5, low: 0.1, high: 0.9 }],
    risk: 0.05,
  };
  expect(workOf(JSON.stringify(work))).toEqual(work);
});
it.each([null, "", "{", "null", "[]", '"x"', '{"classes":3,"of":[1,["a"],null],"curve":[null],"risk":7}'])(
  "begins anew with %j",
  (text) => expect(workOf(text)).toEqual(EMPTY),
);
it("keeps works apart", () => {
  expect(keyOfWork("a", "b")).not.toBe(keyOfWork("a", null));
});
it("reads the table of labels that was saved", () => {
  const text = 'image_id,uri,label\r\n1,a.jpg,\'=owl\r\n2,"b,c.jpg","tit, great"\r\n,x,y\r\n';
  expect(workOfTable(text)).toEqual({
    classes: ["=owl", "tit, great"],
    of: [
      ["1", "=owl"],
      ["2", "tit, great"],
    ],
  });
  expect(workOfTable("")).toEqual({ classes: [], of: [] });
});

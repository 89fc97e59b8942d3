import { expect, it } from "vitest";
import { after, allDone, batchOf } from "./batch";

const pictures = (ids: string): { image_id: string }[] => [...ids].map((image_id) => ({ image_id }));
const labelled = (ids: string): Map<string, string> => new Map([...ids].map((id) => [id, "x"]));

it("asks for no picture twice and for none that has a class", () => {
  expect(batchOf(pictures("abcab"), labelled("c"))).toEqual(pictures("ab"));
});
it("goes to the next picture without a class, around the end", () => {
  expect(after(pictures("abcd"), 0, labelled("ab"))).toBe(2);
  expect(after(pictures("abcd"), 3, labelled("abd"))).toBe(2);
  expect(after(pictures("abcd"), 2, labelled("abd"))).toBe(2);
  expect(after(pictures("ab"), 1, labelled("ab"))).toBe(1);
});
it("is done when every picture has a class", () => {
  expect(allDone(pictures("ab"), labelled("a"))).toBe(false);
  expect(allDone(pictures("ab"), labelled("abc"))).toBe(true);
});

import { expect, it } from "vitest";
import { percent, sentence } from "./words";

it("never calls a part all or nothing", () => {
  expect([0, 0.001, 0.126, 0.999, 1].map(percent)).toEqual(["0%", "<1%", "13%", ">99%", "100%"]);
});
it("ends a clause as a sentence, and leaves one alone", () => {
  expect(sentence("12 pictures are left")).toBe("12 pictures are left.");
  expect(sentence("no picture is left")).toBe("No picture is left.");
  expect(sentence("It is done.")).toBe("It is done.");
});

import { expect, it } from "vitest";
import { nameOf, percent, sentence } from "./naming";

it("calls a picture by the narrowest name it has", () => {
  expect(nameOf({ uri: "a/b/c.jpg" })).toBe("c.jpg");
  expect(nameOf({ uri: "a\\b.jpg", label: "owls" })).toBe("owls");
  expect(nameOf({ family: "Paridae", class: "Aves", species: null })).toBe("Paridae");
  expect(nameOf({ lineage: "Animalia > Aves", uri: "x" })).toBe("Aves");
});
it("never calls a part all or nothing", () => {
  expect([0, 0.001, 0.126, 0.999, 1].map(percent)).toEqual(["0%", "<1%", "13%", ">99%", "100%"]);
});
it("ends a clause as a sentence, and leaves one alone", () => {
  expect(sentence("12 pictures are left")).toBe("12 pictures are left.");
  expect(sentence("no picture is left")).toBe("No picture is left.");
  expect(sentence("It is done.")).toBe("It is done.");
});

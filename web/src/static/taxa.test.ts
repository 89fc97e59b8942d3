import { expect, test } from "vitest";
import { folded, Lineages } from "./taxa";

const columns = {
  kingdom: ["Animalia", "Animalia", "Animalia", "Plantae", null],
  class: ["Aves", "Aves", "Insecta", null, null],
  genus: ["Parus", null, "Vanessa", null, null],
  species: ["Parus major", null, "Vanessa atalanta", null, null],
  common_name: ["great tit", "bird", "red admiral", "plant", null],
};
const of = Uint32Array.of(0, 0, 0, 1, 2, 2, 3, 4);
const lineages = new Lineages(columns, of);

test("the roots have the pictures below them, and those without a name are told", () => {
  const found = lineages.children(lineages.counts(), null, null, 10, 0);
  expect(found.rank).toBe("kingdom");
  expect(found.images).toBe(8);
  expect(found.without_rank).toBe(1);
  expect(found.children.map((one) => [one.taxon, one.images, one.species, one.has_children])).toEqual([
    ["Animalia", 6, 2, true],
    ["Plantae", 1, 0, false],
  ]);
});

test("children are of the next rank that any has, with the common name of those named no further", () => {
  const found = lineages.children(lineages.counts(), "Animalia", null, 1, 1);
  expect(found.rank).toBe("class");
  expect(found.n_children).toBe(2);
  expect(found.children.map((one) => one.taxon)).toEqual(["Animalia > Insecta"]);
  const [aves] = lineages.children(lineages.counts(), "Animalia", null, 1, 0).children;
  expect(aves?.common_name).toBe("bird");
});

test("a selection is counted alone", () => {
  const counts = lineages.counts(Uint32Array.of(0, 4, 7));
  const found = lineages.children(counts, null, null, 10, 0);
  expect(found.children.map((one) => one.images)).toEqual([2]);
  expect(found.without_rank).toBe(1);
});

test("clades keep their pictures, and several a union", () => {
  expect([...lineages.selected(["Animalia > Aves"])]).toEqual([0, 1, 2, 3]);
  expect([...lineages.selected(["Animalia > Aves > Parus", "Plantae"])]).toEqual([0, 1, 2, 6]);
  expect([...lineages.selected(["Aves"])]).toEqual([]);
});

test("names that differ by case alone are one taxon", () => {
  const two = new Lineages({ genus: ["Parus", "PARUS"] }, Uint32Array.of(0, 0, 1));
  expect(two.children(two.counts(), null, null, 9, 0).children.map((one) => [one.name, one.images])).toEqual([
    ["Parus", 3],
  ]);
  expect([...two.selected(["parus"])]).toEqual([0, 1, 2]);
});

test("a taxon that is not there is refused", () => {
  expect(() => lineages.children(lineages.counts(), "Fungi", null, 10, 0)).toThrow("Fungi");
});

test("names are found by their beginning, a word's beginning, or any letters, without accents", () => {
  expect(folded("Blåmejse ŌKAMI")).toBe("blamejse okami");
  expect(lineages.find("par", 9).map((one) => one.name)).toEqual(["Parus", "Parus major"]);
  expect(lineages.find("tit", 9).map((one) => one.name)).toEqual(["Parus major"]);
  expect(lineages.find("A", 9)[0]?.name).toBe("Animalia");
  expect(lineages.find(" ", 9)).toEqual([]);
});

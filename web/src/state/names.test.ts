import { describe, expect, it } from "vitest";
import { calledOf, factsOf, fileOf, isLatin, lastName, lineageOf, nameOf } from "./names";

const tit = {
  image_id: "a",
  uri: "/x/y.jpg",
  kingdom: "Animalia",
  genus: "Parus",
  species: "Parus major",
  label: "tits",
  licence: "CC-BY",
  width: 5,
  sex: null,
};

describe("what a picture is called", () => {
  it("is its narrowest name, else its label, else nothing", () => {
    expect(nameOf(tit)).toBe("Parus major");
    expect(nameOf({ genus: "Parus", species: null, label: "tits" })).toBe("Parus");
    expect(nameOf({ species: "", label: "tits" })).toBe("tits");
    expect(nameOf({ species: null })).toBeNull();
    expect(nameOf({ lineage: "Animalia > Aves", uri: "x" })).toBe("Aves");
    expect(isLatin(tit)).toBe(true);
    expect(isLatin({ class: "Aves" })).toBe(false);
  });
  it("is its file's where it has no name, and else what the service calls it", () => {
    expect(calledOf({ uri: "a\\b.jpg", label: "owls" })).toBe("owls");
    expect(calledOf({ uri: "a\\b.jpg" })).toBe("b.jpg");
    expect(calledOf({ uri: "a/b/c.jpg" })).toBe("c.jpg");
    expect(calledOf({ image_id: "9" })).toBe("9");
  });
  it("is the end of a taxon's path, which may have one name", () => {
    expect(lastName("Animalia > Chordata > Aves")).toBe("Aves");
    expect(lastName("Fungi")).toBe("Fungi");
    expect(lastName("Viola > Viola x alba")).toBe("Viola x alba");
  });
  it("comes with its file, its lineage from above, and the columns that hold something", () => {
    expect(fileOf(tit)).toBe("y.jpg");
    expect(lineageOf(tit)).toEqual(["Animalia", "Parus", "Parus major"]);
    expect(factsOf(tit)).toEqual([
      ["label", "tits"],
      ["licence", "CC-BY"],
      ["width", "5"],
    ]);
  });
});

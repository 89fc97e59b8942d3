import { describe, expect, it } from "vitest";
import { placeOf, queryOfPlace } from "./place.svelte";

describe("the place in the address", () => {
  it("comes back as it was, whatever names hold", () => {
    const query =
      "?store=a%26b&text=a+%22bird%22&open=x%2Fy%3Fz&within=Animalia+%3E+Aves&within=B&where=width%3E%3D5&like=%3Cb%3E";
    const found = placeOf(query);
    expect(found.within).toEqual(["Animalia > Aves", "B"]);
    expect(found.open).toBe("x/y?z");
    expect(found.like).toEqual(["<b>"]);
    expect(placeOf(queryOfPlace(found))).toEqual(found);
  });
  it("is everything where the address says nothing", () => {
    expect(placeOf("")).toEqual({ store: null, within: [], where: [], text: null, like: [], open: null });
    expect(queryOfPlace(placeOf(""))).toBe("");
  });
});

import { describe, expect, it } from "vitest";
import { placeOf, queryOfPlace } from "./place.svelte";

describe("the place in the address", () => {
  it("comes back as it was, whatever names hold", () => {
    const query =
      "?store=a%26b&by=family&at=1.5%2C-2%2C8&text=a+%22bird%22&open=x%2Fy%3Fz&view=care&within=Animalia+%3E+Aves&within=B&where=width%3E%3D5&like=1&unlike=%3Cb%3E";
    const found = placeOf(query);
    expect(found.within).toEqual(["Animalia > Aves", "B"]);
    expect(found.at).toBe("1.5,-2,8");
    expect(found.open).toBe("x/y?z");
    expect(found.unlike).toEqual(["<b>"]);
    expect(placeOf(queryOfPlace(found))).toEqual(found);
  });
  it("is the first view where the address names none that there is", () => {
    expect(placeOf("?view=nothing").view).toBe("explore");
    expect(queryOfPlace(placeOf(""))).toBe("");
  });
});

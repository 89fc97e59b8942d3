import { describe, expect, it } from "vitest";
import { boxOf } from "./boxes";
import { aboutRights, factsOf } from "./facts";

describe("the box of a picture", () => {
  const box = { left: 0.1, top: 0.2, width: 0.5, height: 0.25 };
  it("is read from columns or the address, in pixels or shares", () => {
    expect(boxOf({ bbox: "[20, 20, 100, 25]" }, 200, 100)).toEqual(box);
    expect(boxOf({ bbox: [0.1, 0.2, 0.5, 0.25] }, 200, 100)).toEqual(box);
    expect(boxOf({ bbox_x: 20, bbox_y: 20, bbox_w: 100, bbox_h: 25 }, 200, 100)).toEqual(box);
    expect(boxOf({ uri: "/a.jpg#box=0.1,0.2,0.5,0.25" }, 200, 100)).toEqual(box);
  });
  it("is none where there are not four numbers", () => {
    expect(boxOf({ uri: "/a.jpg", bbox: "", bbox_x: 1 }, 200, 100)).toBeNull();
    expect(boxOf({ bbox: "1 2 0 5" }, 200, 100)).toBeNull();
    expect(boxOf({ bbox: null }, 200, 100)).toBeNull();
  });
});

describe("what a row says", () => {
  it("names the deepest taxon and writes paths without gaps", () => {
    const found = factsOf({
      kingdom: "Animalia",
      phylum: null,
      class: "Aves",
      uri: "/x/a.jpg",
      note: "n",
      empty: null,
    });
    expect(found.name).toBe("Aves");
    expect(found.lineage.map((one) => one.taxon)).toEqual(["Animalia", "Animalia > Aves"]);
    expect(found.uri).toBe("/x/a.jpg");
    expect(found.others).toEqual([["note", "n"]]);
    expect(factsOf({ uri: "/x/a.jpg" }).name).toBe("a.jpg");
  });
  it("says whose it is", () => {
    expect(aboutRights({ license: "CC BY 4.0", creator: "A. B." })).toEqual({ licence: "CC BY 4.0", holder: "A. B." });
    expect(aboutRights({})).toEqual({ licence: null, holder: null });
  });
});

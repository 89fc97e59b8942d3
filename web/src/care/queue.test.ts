import { describe, expect, it } from "vitest";
import type { AuditItem, AuditList } from "../api";
import { decidedIn, isOpen, listsOf, nextInGroup, nextOpen, openIn, placeIn, questionsOf } from "./queue";

const item = (image_id: string, group: string | null = null, list: AuditList = "duplicates"): AuditItem => ({
  list,
  group,
  image_id,
  uri: "",
  name: null,
  suggested: null,
  rank: null,
  why: "",
  score: null,
  decided: null,
});
const lists = () =>
  listsOf({
    duplicates: [item("a", "1"), item("b", "2"), item("c", "1"), item("d", "2"), item("e", "3")],
    outliers: [item("a", null, "outliers"), item("x", null, "outliers")],
    label_errors: [],
  });

describe("the queue of care", () => {
  it("puts the pictures of a group together, in the order of their first ones", () => {
    expect(lists().duplicates.map((one) => one.items.map((each) => each.image_id).join(""))).toEqual(["ac", "bd", "e"]);
    expect(questionsOf([item("1"), item("2")]).length).toBe(2);
    expect(questionsOf([item("g", null), item("h", "g")]).length).toBe(2);
  });
  it("goes on to what is open, around the end, and stays when nothing is", () => {
    let found = lists();
    expect(nextOpen(found.duplicates, 2)).toBe(0);
    found = decidedIn(found, new Set(["a", "c", "b"]), "duplicates", "keep");
    expect(nextOpen(found.duplicates, 0)).toBe(1);
    expect(isOpen(found.duplicates[1]!)).toBe(true);
    expect(nextInGroup(found.duplicates[1]!, 0)).toBe(1);
    expect(nextInGroup(found.duplicates[0]!, 0)).toBe(null);
    found = decidedIn(found, new Set(["d", "e"]), "duplicates", "keep");
    expect(openIn(found.duplicates)).toBe(0);
    expect(nextOpen(found.duplicates, 1)).toBe(1);
    expect(nextOpen([], 0)).toBe(0);
  });
  it("takes what is dropped out of every list, and what is kept out of its own", () => {
    const dropped = decidedIn(lists(), new Set(["a"]), "duplicates", "drop");
    expect(dropped.outliers[0]!.items[0]!.decided).toBe("drop");
    const kept = decidedIn(lists(), new Set(["a"]), "duplicates", "keep");
    expect(kept.outliers[0]!.items[0]!.decided).toBe(null);
    expect(decidedIn(dropped, new Set(["a"]), null, null)).toEqual(lists());
    expect(lists().duplicates[0]!.items[0]!.decided).toBe(null);
  });
  it("opens at the picture asked for, else at what is open", () => {
    expect(placeIn(lists().duplicates, "d")).toEqual({ at: 1, inner: 1 });
    const found = decidedIn(lists(), new Set(["a", "c"]), "duplicates", "keep");
    expect(placeIn(found.duplicates, "gone")).toEqual({ at: 1, inner: 0 });
    expect(placeIn([], null)).toEqual({ at: 0, inner: 0 });
  });
});

import { describe, expect, it } from "vitest";
import { grown, Labels, MOST_STEPS, PASSED } from "./labels";

describe("labels", () => {
  it("takes back and does again every kind of step", () => {
    const labels = new Labels();
    const seen: string[] = [];
    const look = (): string => JSON.stringify([labels.classes, [...labels.of].sort()]);
    const steps = [
      () => labels.addClass(" tit "),
      () => labels.addClass("finch"),
      () => labels.put(["a", "b"], "tit"),
      () => labels.put(["b", "c"], "finch"),
      () => labels.put(["a"], null),
      () => labels.put(["d"], PASSED),
      () => labels.renameClass("finch", "Fringilla"),
      () => labels.removeClass("tit"),
      () =>
        labels.putEach([
          ["e", "owl"],
          ["c", "owl"],
        ]),
      () => labels.clear(),
    ];
    seen.push(look());
    for (const step of steps) {
      expect(step()).toBe(true);
      seen.push(look());
    }
    expect(new Set(seen.slice(0, -1)).size).toBe(steps.length);
    for (const before of seen.slice(0, -1).reverse()) {
      expect(labels.undo()).toBe(true);
      expect(look()).toBe(before);
    }
    expect(labels.undo()).toBe(false);
    for (const after of seen.slice(1)) {
      expect(labels.redo()).toBe(true);
      expect(look()).toBe(after);
    }
    expect(labels.redo()).toBe(false);
  });
  it("forgets what could be done again when something new is done", () => {
    const labels = new Labels();
    labels.addClass("a");
    labels.put(["1"], "a");
    labels.undo();
    labels.put(["2"], "a");
    expect(labels.canRedo).toBe(false);
    expect(labels.byClass()).toEqual({ a: ["2"] });
  });
  it("makes no step of what changes nothing", () => {
    const labels = new Labels();
    labels.addClass("a");
    labels.put(["1"], "a");
    expect(labels.put(["1"], "a")).toBe(false);
    expect(labels.addClass("a")).toBe(false);
    expect(labels.addClass("  ")).toBe(false);
    expect(labels.renameClass("a", "a")).toBe(false);
    expect(labels.removeClass("none")).toBe(false);
    labels.undo();
    expect(labels.byClass()).toEqual({ a: [] });
  });
  it("takes pictures that stand twice in one step back to what they were", () => {
    const labels = new Labels();
    labels.putEach([
      ["1", "a"],
      ["1", "b"],
    ]);
    expect(labels.of.get("1")).toBe("b");
    labels.undo();
    expect(labels.of.has("1")).toBe(false);
  });
  it("comes back from what was kept, without pictures of classes that are not there", () => {
    const labels = new Labels();
    labels.putEach([
      ["__proto__", "constructor"],
      ["x/y", "b"],
    ]);
    labels.put(["z"], PASSED);
    const again = Labels.from(JSON.parse(JSON.stringify(labels.kept())));
    expect(again.kept()).toEqual(labels.kept());
    expect(again.size).toBe(2);
    expect(again.canUndo).toBe(false);
    expect(Labels.from({ classes: ["a"], of: [["1", "gone"]] }).of.size).toBe(0);
  });
  it("keeps a bounded number of steps", () => {
    const labels = new Labels();
    labels.addClass("a");
    for (let at = 0; at < MOST_STEPS + 10; at++) labels.put([String(at)], "a");
    let undone = 0;
    while (labels.undo()) undone++;
    expect(undone).toBe(MOST_STEPS);
  });
});

describe("the curve of the accuracy", () => {
  it("has one point a number of labels and ends at the latest", () => {
    const at = (labels: number, value: number) => ({ labels, value, low: 0, high: 1 });
    let curve = grown([], at(4, 0.5));
    curve = grown(curve, at(8, 0.6));
    curve = grown(curve, at(8, 0.7));
    expect(curve.map((one) => one.value)).toEqual([0.5, 0.7]);
    expect(grown(curve, at(6, 0.55)).map((one) => one.labels)).toEqual([4, 6]);
  });
});

import { expect, it } from "vitest";
import { MOST_PICTURES, sifted } from "./sifted";

const file = (name: string, size = 1000, type = "image/jpeg") => ({ name, size, type });

it("takes pictures, and files of a kind that the browser does not know", () => {
  const found = sifted([file("a.jpg"), file("b.heic", 10, "")], []);
  expect(found.taken.map((one) => one.name)).toEqual(["a.jpg", "b.heic"]);
  expect(found.told).toEqual([]);
});
it("says what it leaves out", () => {
  const found = sifted([file("a.pdf", 10, "application/pdf"), file("b.jpg", 21e6), file("c.jpg")], []);
  expect(found.taken.map((one) => one.name)).toEqual(["c.jpg"]);
  expect(found.told[0]).toContain("a.pdf");
  expect(found.told[1]).toContain("20 MB");
});
it("takes no more than the service takes together", () => {
  const found = sifted([file("b.jpg", 12e6), file("c.jpg", 5e6)], [file("a.jpg", 12e6)]);
  expect(found.taken.map((one) => one.name)).toEqual(["c.jpg"]);
  expect(found.told).toHaveLength(1);
  const many = Array.from({ length: 20 }, (_, i) => file(`${i}.jpg`));
  expect(sifted(many, [file("a.jpg")]).taken).toHaveLength(MOST_PICTURES - 1);
  expect(sifted(many, [file("a.jpg")]).told).toHaveLength(1);
});

/** Which points are shown as small pictures: those first in the map's order that leave each other room. */

import { Taken } from "./placing";
import type { Picking } from "./picking";
import { seen, toScreen, type Size, type View } from "./view";

export interface Tile {
  index: number;
  x: number;
  y: number;
}
export const MOST_TILES = 120;
/** Where a small picture stands for more points than this, they would hide the map. */
const CROWD = 6;

export const tileSide = (size: Size): number => (size.width < 500 ? 44 : 56);

export function tilesOf(
  points: Float32Array,
  picking: Picking,
  view: View,
  size: Size,
  passes: (index: number) => boolean,
): Tile[] {
  const there = picking.range(seen(view, size)).filter(passes);
  if (there.length > CROWD * MOST_TILES) return [];
  const taken = new Taken();
  const found: Tile[] = [];
  const side = tileSide(size);
  for (const index of there) {
    if (found.length >= MOST_TILES) break;
    const x = points[2 * index]!;
    const y = points[2 * index + 1]!;
    const [left, top] = toScreen(view, size, x, y);
    const room = side + 6;
    if (taken.take({ left: left - room / 2, top: top - room / 2, width: room, height: room }))
      found.push({ index, x, y });
  }
  return there.length > CROWD * found.length ? [] : found;
}

/** How crowded each point's surroundings are, as codes 0 to 255. */

import type { Bounds } from "./view";

const CELLS = 192;

export function crowding(points: Float32Array, bounds: Bounds): Uint16Array {
  const n = points.length / 2;
  const side = Math.max(bounds.x[1] - bounds.x[0], bounds.y[1] - bounds.y[0], 1e-9);
  const at = (value: number, least: number): number =>
    Math.min(Math.max(Math.floor(((value - least) / side) * CELLS), 0), CELLS - 1);
  let counts = new Float32Array(CELLS * CELLS);
  const cells = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const cell = at(points[2 * i + 1]!, bounds.y[0]) * CELLS + at(points[2 * i]!, bounds.x[0]);
    cells[i] = cell;
    counts[cell]!++;
  }
  counts = blurred(blurred(counts));
  let most = 1e-9;
  for (const cell of cells) if (counts[cell]! > most) most = counts[cell]!;
  const codes = new Uint16Array(n);
  for (let i = 0; i < n; i++) codes[i] = Math.round(255 * Math.sqrt(counts[cells[i]!]! / most));
  return codes;
}

/** The mean of each cell and its eight neighbours. */
function blurred(counts: Float32Array): Float32Array<ArrayBuffer> {
  const found = new Float32Array(counts.length);
  for (let row = 0; row < CELLS; row++)
    for (let column = 0; column < CELLS; column++) {
      let sum = 0;
      for (let r = Math.max(row - 1, 0); r <= Math.min(row + 1, CELLS - 1); r++)
        for (let c = Math.max(column - 1, 0); c <= Math.min(column + 1, CELLS - 1); c++) sum += counts[r * CELLS + c]!;
      found[row * CELLS + column] = sum / 9;
    }
  return found;
}

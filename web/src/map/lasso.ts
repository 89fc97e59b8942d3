/** Which points lie inside a drawn line. */

export type Outline = readonly (readonly [number, number])[];

/** Whether a point is inside a closed line, by how often a ray crosses it. */
export function inside(outline: Outline, x: number, y: number): boolean {
  let within = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [ax, ay] = outline[i]!;
    const [bx, by] = outline[j]!;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

/** Indexes of the points (x0 y0 x1 y1 ...) inside, ascending. */
export function enclosed(outline: Outline, points: Float32Array): Uint32Array {
  if (outline.length < 3) return new Uint32Array(0);
  const xs = outline.map((one) => one[0]);
  const ys = outline.map((one) => one[1]);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i]!;
    const y = points[2 * i + 1]!;
    if (x >= left && x <= right && y >= low && y <= high && inside(outline, x, y)) found.push(i);
  }
  return Uint32Array.from(found);
}

/** A line with fewer corners: those nearer than `apart` to the one before are left out. */
export function thinned(outline: Outline, apart: number): [number, number][] {
  const found: [number, number][] = [];
  for (const [x, y] of outline) {
    const last = found.at(-1);
    if (!last || Math.hypot(x - last[0], y - last[1]) >= apart) found.push([x, y]);
  }
  return found;
}

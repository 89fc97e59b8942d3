/** The box that a row tells of its picture, as shares of the picture's width and height. */

export interface Part {
  left: number;
  top: number;
  width: number;
  height: number;
}
const SIDES = [
  ["bbox_x", "bbox_y", "bbox_w", "bbox_h"],
  ["bbox_x", "bbox_y", "bbox_width", "bbox_height"],
] as const;

/** Four numbers from a list, or from a text with blanks or commas between them. */
function four(value: unknown): number[] | null {
  const parts = Array.isArray(value) ? value : typeof value === "string" ? value.match(/-?[\d.]+(?:e-?\d+)?/gi) : null;
  const found = (parts ?? []).map(Number);
  return found.length === 4 && found.every(Number.isFinite) ? found : null;
}

/** Pixels are of the upright picture; numbers up to 1 are shares already. `width` and `height` are those of the whole picture. */
export function boxOf(row: Record<string, unknown>, width: number, height: number): Part | null {
  const uri = /#box=(.+)$/.exec(String(row["uri"] ?? ""))?.[1];
  const sides = SIDES.map((names) => four(names.map((name) => row[name] ?? NaN))).find((one) => one !== null);
  const box = four(uri) ?? four(row["bbox"]) ?? sides ?? null;
  if (!box) return null;
  const [x, y, w, h] = box as [number, number, number, number];
  if (w <= 0 || h <= 0) return null;
  const isShare = Math.max(x, y, w, h) <= 1;
  const [wide, high] = isShare ? [1, 1] : [width, height];
  if (!(wide > 0 && high > 0)) return null;
  return { left: x / wide, top: y / high, width: w / wide, height: h / high };
}

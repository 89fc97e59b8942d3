/** Where the map is looked at: the point in the middle of the screen, and pixels per unit of the map. */

export interface View {
  x: number;
  y: number;
  scale: number;
}
export interface Size {
  width: number;
  height: number;
}
export interface Bounds {
  x: [number, number];
  y: [number, number];
}

const MARGIN = 28;
/** How many times the scale of the whole map may be had, and how little of it. */
const MOST = 4000;
const LEAST = 0.4;

/** The view that shows everything. */
export function whole(bounds: Bounds, size: Size): View {
  const wide = Math.max(bounds.x[1] - bounds.x[0], 1e-6);
  const high = Math.max(bounds.y[1] - bounds.y[0], 1e-6);
  const room = (side: number): number => Math.max(side - 2 * MARGIN, side * 0.5, 1);
  return {
    x: (bounds.x[0] + bounds.x[1]) / 2,
    y: (bounds.y[0] + bounds.y[1]) / 2,
    scale: Math.min(room(size.width) / wide, room(size.height) / high),
  };
}

/** A view for the address: its middle, and how many times closer than the whole map it is. */
export const written = (view: View, base: number): string =>
  [view.x, view.y].map((one) => Number(one.toPrecision(7))).join(",") +
  `,${Number((view.scale / base).toPrecision(4))}`;

/** The view that an address means; null for what is none. */
export function readView(text: string, base: number): View | null {
  const parts = text.split(",");
  const [x, y, zoom] = parts.map(Number);
  if (parts.length !== 3 || ![x, y, zoom].every(Number.isFinite) || !(zoom! > 0)) return null;
  return { x: x!, y: y!, scale: base * Math.min(Math.max(zoom!, LEAST), MOST) };
}

/** The map's y goes up, the screen's down. */
export const toScreen = (view: View, size: Size, x: number, y: number): [number, number] => [
  size.width / 2 + (x - view.x) * view.scale,
  size.height / 2 - (y - view.y) * view.scale,
];

export const toMap = (view: View, size: Size, left: number, top: number): [number, number] => [
  view.x + (left - size.width / 2) / view.scale,
  view.y - (top - size.height / 2) / view.scale,
];

export const panned = (view: View, dx: number, dy: number): View => ({
  ...view,
  x: view.x - dx / view.scale,
  y: view.y + dy / view.scale,
});

/** Zoom by a factor so that what is under a point of the screen stays there. */
export function zoomed(view: View, size: Size, factor: number, left: number, top: number, base: number): View {
  const scale = Math.min(Math.max(view.scale * factor, base * LEAST), base * MOST);
  const [x, y] = toMap(view, size, left, top);
  return {
    x: x - (left - size.width / 2) / scale,
    y: y + (top - size.height / 2) / scale,
    scale,
  };
}

/** What of the map is on the screen, with a margin in pixels. */
export function seen(view: View, size: Size, margin = 0): Bounds {
  const [left, bottom] = toMap(view, size, -margin, size.height + margin);
  const [right, top] = toMap(view, size, size.width + margin, -margin);
  return { x: [left, right], y: [bottom, top] };
}

/** Diameter of a point in pixels, and how opaque it is: fewer points and a closer look make both larger. */
export function dotOf(n: number, size: Size, zoom: number): { diameter: number; opacity: number } {
  const roomy = Math.sqrt((size.width * size.height * 0.3) / Math.max(n, 1));
  const diameter = Math.min(Math.max(Math.min(roomy, 8) * Math.max(zoom, 0.5) ** 0.4, 1.3), 14);
  return { diameter, opacity: Math.min(0.4 + diameter * 0.1, 0.85) };
}

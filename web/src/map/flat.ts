/** Points painted pixel by pixel in memory, for machines without WebGL 2 or whose WebGL is itself software, which is slower. */

import type { PointRenderer } from "./points";
import { dotOf, type Size, type View } from "./view";

/** Milliseconds of one frame, and points between two looks at the clock. */
const FRAME = 40;
const WHILE_MOVING = 24;
const BLOCK = 20_000;

/** The pixels of a dot around its middle, and how much of each it covers (0 to 256). */
interface Stamp {
  dx: Int32Array;
  dy: Int32Array;
  part: Int32Array;
  reach: number;
}

function stampOf(diameter: number, opacity: number): Stamp {
  const reach = Math.max(Math.ceil(diameter / 2 - 0.5), 0);
  const found: [number, number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const part = Math.min(Math.max(diameter / 2 - Math.hypot(dx, dy) + 0.5, 0), 1);
      if (part > 0.05) found.push([dx, dy, Math.round(256 * part * opacity)]);
    }
  const column = (which: 0 | 1 | 2): Int32Array => Int32Array.from(found, (one) => one[which]);
  return { dx: column(0), dy: column(1), part: column(2), reach };
}

export class FlatPoints implements PointRenderer {
  private points = new Float32Array(0);
  private codes: Uint16Array | null = null;
  private colours = new Uint32Array(65536);
  private faded = 0;
  private kept: Uint32Array | null = null;
  private view: View = { x: 0, y: 0, scale: 1 };
  private size: Size = { width: 1, height: 1 };
  private zoom = 1;
  private frame = 0;
  private moving = false;
  private fresh = true;
  private done = { faded: 0, plain: 0 };
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  private readonly context: CanvasRenderingContext2D | null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d");
  }

  setPoints(points: Float32Array): void {
    this.points = points as Float32Array<ArrayBuffer>;
  }
  setCodes(codes: Uint16Array | null): void {
    this.codes = codes;
  }
  setPalette(palette: Uint8Array, faded: readonly [number, number, number]): void {
    for (let code = 0; code < this.colours.length; code++)
      this.colours[code] = packed(palette[4 * code]!, palette[4 * code + 1]!, palette[4 * code + 2]!);
    this.faded = packed(...faded);
  }
  setKept(kept: Uint32Array | null): void {
    this.kept = kept;
  }
  setView(view: View, size: Size, zoom: number): void {
    this.view = view;
    this.size = size;
    this.zoom = zoom;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const wide = Math.max(Math.round(size.width * ratio), 1);
    const high = Math.max(Math.round(size.height * ratio), 1);
    if (this.image?.width === wide && this.image.height === high) return;
    this.canvas.width = wide;
    this.canvas.height = high;
    this.image = new ImageData(wide, high);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }
  draw(moving = false): void {
    this.moving = moving;
    this.fresh = true;
    if (!this.frame) this.frame = requestAnimationFrame(this.step);
  }
  destroy(): void {
    cancelAnimationFrame(this.frame);
  }

  private readonly step = (): void => {
    this.frame = 0;
    if (!this.image || !this.context) return;
    const until = performance.now() + (this.moving ? WHILE_MOVING : FRAME);
    if (this.fresh) {
      this.pixels.fill(0);
      this.done = { faded: 0, plain: 0 };
      this.fresh = false;
    }
    const { done, kept } = this;
    const n = this.points.length / 2;
    const { diameter, opacity } = dotOf(n, this.size, this.zoom);
    const ratio = this.canvas.width / this.size.width;
    if (kept !== null) {
      const stamp = stampOf(Math.max(diameter * 0.75, 1) * ratio, Math.min(opacity, 0.4) * 0.6);
      // While the map moves, half of the time is left for what is kept.
      const share = this.moving ? until - WHILE_MOVING / 2 : until;
      while (done.faded < n && performance.now() < share) {
        const end = Math.min(done.faded + BLOCK, n);
        this.paint(stamp, done.faded, end, null);
        done.faded = end;
      }
    }
    const all = kept?.length ?? n;
    const stamp =
      kept === null ? stampOf(diameter * ratio, opacity) : stampOf(diameter * 1.15 * ratio, Math.max(opacity, 0.7));
    const isGround = kept === null || done.faded >= n || this.moving;
    while (isGround && done.plain < all && performance.now() < until) {
      const end = Math.min(done.plain + BLOCK, all);
      this.paint(stamp, done.plain, end, kept);
      done.plain = end;
    }
    this.context.putImageData(this.image, 0, 0);
    if (done.plain >= all && (kept === null || done.faded >= n)) this.canvas.dispatchEvent(new Event("drawn"));
    else if (!this.moving) this.frame = requestAnimationFrame(this.step);
  };

  /** Paint some points; those of `kept` in their colours, and without it all in theirs or as faded ones. */
  private paint(stamp: Stamp, from: number, to: number, kept: Uint32Array | null): void {
    const { points, codes, colours, pixels, canvas } = this;
    const { dx, dy, part, reach } = stamp;
    const [wide, high] = [canvas.width, canvas.height];
    const scale = (this.view.scale * wide) / this.size.width;
    const left = wide / 2 - this.view.x * scale;
    const top = high / 2 + this.view.y * scale;
    const isFaded = kept === null && this.kept !== null;
    for (let i = from; i < to; i++) {
      const index = kept === null ? i : kept[i]!;
      const x = Math.floor(left + points[2 * index]! * scale);
      const y = Math.floor(top - points[2 * index + 1]! * scale);
      if (x < reach || y < reach || x >= wide - reach || y >= high - reach) continue;
      const colour = isFaded ? this.faded : colours[codes === null ? 0 : codes[index]!]!;
      for (let j = 0; j < part.length; j++) {
        const at = (y + dy[j]!) * wide + x + dx[j]!;
        pixels[at] = mixed(pixels[at]!, colour, part[j]!);
      }
    }
  }
}

/** A colour as it lies in memory, without its opacity. */
const packed = (r: number, g: number, b: number): number => r | (g << 8) | (b << 16);

/** A colour above what is there, covering `part` of 256. */
function mixed(there: number, colour: number, part: number): number {
  const opaque = there >>> 24;
  const more = opaque + (((255 - opaque) * part) >> 8);
  if (opaque === 0) return (colour | (more << 24)) >>> 0;
  const odd = there & 0xff00ff;
  const even = there & 0x00ff00;
  const newOdd = (odd + ((((colour & 0xff00ff) - odd) * part) >> 8)) & 0xff00ff;
  const newEven = (even + ((((colour & 0x00ff00) - even) * part) >> 8)) & 0x00ff00;
  return (newOdd | newEven | (more << 24)) >>> 0;
}

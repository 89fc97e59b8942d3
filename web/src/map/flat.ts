/** Points by the plain 2D canvas, where there is no WebGL 2: no more than can be drawn at once. */

import { grey } from "./palette";
import type { PointRenderer } from "./points";
import { dotOf, type Size, type View } from "./view";

/** The most points; they are the first of the map's order, which is a fair sample of all. */
export const FLAT_MOST = 30_000;
const WHILE_MOVING = 5_000;

export class FlatPoints implements PointRenderer {
  readonly most = FLAT_MOST;
  private points = new Float32Array(0);
  private codes: Uint16Array | null = null;
  private palette: Uint8Array | null = null;
  private faded = grey(false);
  private kept: Uint32Array | null = null;
  private view: View = { x: 0, y: 0, scale: 1 };
  private size: Size = { width: 1, height: 1 };
  private zoom = 1;
  private frame = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  setPoints(points: Float32Array): void {
    this.points = points as Float32Array<ArrayBuffer>;
  }
  setCodes(codes: Uint16Array | null): void {
    this.codes = codes;
  }
  setPalette(palette: Uint8Array, faded: readonly [number, number, number]): void {
    this.palette = palette;
    this.faded = `rgb(${faded.join(" ")})`;
  }
  setKept(kept: Uint32Array | null): void {
    this.kept = kept;
  }
  setView(view: View, size: Size, zoom: number): void {
    this.view = view;
    this.size = size;
    this.zoom = zoom;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(size.width * ratio);
    this.canvas.height = Math.round(size.height * ratio);
  }
  draw(moving = false): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.drawNow(moving ? WHILE_MOVING : FLAT_MOST));
  }
  destroy(): void {
    cancelAnimationFrame(this.frame);
  }

  private drawNow(most: number): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const n = Math.min(this.points.length / 2, most);
    const { diameter, opacity } = dotOf(this.points.length / 2, this.size, this.zoom);
    const ratio = this.canvas.width / this.size.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    const dot = (index: number, wide: number): void => {
      const left = this.size.width / 2 + (this.points[2 * index]! - this.view.x) * this.view.scale;
      const top = this.size.height / 2 - (this.points[2 * index + 1]! - this.view.y) * this.view.scale;
      if (left < -wide || top < -wide || left > this.size.width + wide || top > this.size.height + wide) return;
      context.beginPath();
      context.arc(left, top, wide / 2, 0, 2 * Math.PI);
      context.fill();
    };
    if (this.kept !== null) {
      context.globalAlpha = 0.25;
      context.fillStyle = this.faded;
      for (let i = 0; i < n; i++) dot(i, diameter * 0.75);
    }
    context.globalAlpha = opacity;
    for (let i = 0; i < Math.min(this.kept?.length ?? n, most); i++) {
      const index = this.kept === null ? i : this.kept[i]!;
      context.fillStyle = this.colourOf(index);
      dot(index, diameter);
    }
    if (n === Math.min(this.points.length / 2, FLAT_MOST)) this.canvas.dispatchEvent(new Event("drawn"));
  }

  private colourOf(index: number): string {
    const at = (this.codes?.[index] ?? 0) * 4;
    return this.palette ? `rgb(${this.palette[at]} ${this.palette[at + 1]} ${this.palette[at + 2]})` : this.faded;
  }
}

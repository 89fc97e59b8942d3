/** Points on a canvas behind one interface, so that what draws them can be another. */

import { FlatPoints } from "./flat";
import type { Size, View } from "./view";
import { GlPoints } from "./webgl";

/** Colours, codes and what is kept are given one by one, so that a change sends only itself. */
export interface PointRenderer {
  /** The most points that are ever drawn; null where all are. */
  readonly most: number | null;
  setPoints(points: Float32Array): void;
  /** A code per point; null gives all of them the first colour. */
  setCodes(codes: Uint16Array | null): void;
  /** 65,536 colours of four bytes, and the one of points that are not kept. */
  setPalette(palette: Uint8Array, faded: readonly [number, number, number]): void;
  /** Ascending indexes of the points that stand out; null for all. */
  setKept(kept: Uint32Array | null): void;
  setView(view: View, size: Size, zoom: number): void;
  /** Draw soon. `moving` asks for a sample that keeps up with the hand; all follow when it rests. */
  draw(moving?: boolean): void;
  destroy(): void;
}

/** The fastest there is here. */
export function rendererOn(canvas: HTMLCanvasElement): PointRenderer {
  const gl = canvas.getContext("webgl2", {
    alpha: true,
    antialias: false,
    depth: false,
    premultipliedAlpha: true,
    preserveDrawingBuffer: true,
  });
  return gl ? new GlPoints(canvas, gl) : new FlatPoints(canvas);
}

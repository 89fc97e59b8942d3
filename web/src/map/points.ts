/** Points on a canvas behind one interface, so that what draws them can be another. */

import { FlatPoints } from "./flat";
import type { Size, View } from "./view";
import { GlPoints } from "./webgl";

/** Colours, codes and what is kept are given one by one, so that a change sends only itself. */
export interface PointRenderer {
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

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether WebGL 2 runs on a graphics chip here. */
function hasChip(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(name);
}
let chip: boolean | null = null;

/** The fastest there is here; `kind` asks for one of them. */
export function rendererOn(canvas: HTMLCanvasElement, kind?: "webgl" | "flat"): PointRenderer {
  chip ??= hasChip();
  const gl =
    kind === "webgl" || (kind === undefined && chip)
      ? canvas.getContext("webgl2", { antialias: false, depth: false, preserveDrawingBuffer: true })
      : null;
  return gl ? new GlPoints(canvas, gl) : new FlatPoints(canvas);
}

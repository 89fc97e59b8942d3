/** Points by WebGL 2: positions, codes and colours each in their own buffer, drawn in parts so that the page never waits. */

import { CODES } from "./palette";
import type { PointRenderer } from "./points";
import { dotOf, type Size, type View } from "./view";

const VERTEX = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in uint code;
uniform vec4 view;
uniform float diameter;
uniform vec4 plain;
uniform bool coloured;
uniform float opacity;
uniform sampler2D palette;
flat out vec4 colour;
void main() {
  gl_Position = vec4((place - view.xy) * view.zw, 0.0, 1.0);
  gl_PointSize = diameter;
  vec3 own = coloured ? texelFetch(palette, ivec2(int(code & 255u), int(code >> 8u)), 0).rgb : plain.rgb;
  float a = coloured ? opacity : plain.a;
  colour = vec4(own * a, a);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 colour;
uniform float diameter;
out vec4 shown;
void main() {
  if (diameter < 3.0) { shown = colour; return; }
  float far = length(gl_PointCoord - 0.5) * diameter;
  float edge = clamp(diameter * 0.5 - far, 0.0, 1.0);
  if (edge <= 0.0) discard;
  shown = colour * edge;
}`;
/** Points of the first picture; then more and more, as the machine keeps up. */
const FIRST = 60_000;
const FEWEST = 15_000;
/** Milliseconds that a part may take, by which its size is fitted. */
const FRAME = 30;
/** When the map rests, parts are larger: there is a little to be lost between two of them. */
const AT_REST = 4;
const UNIFORMS = ["view", "diameter", "plain", "coloured", "opacity", "palette"] as const;

export class GlPoints implements PointRenderer {
  private n = 0;
  private kept: Uint32Array | null = null;
  private view: View = { x: 0, y: 0, scale: 1 };
  private size: Size = { width: 1, height: 1 };
  private zoom = 1;
  private faded: readonly [number, number, number] = [128, 128, 128];
  private hasCodes = false;
  private part = FIRST;
  /** How many of the faded and of the standing-out points are drawn. */
  private done = { faded: 0, plain: 0 };
  private frame = 0;
  private fence: { sync: WebGLSync; at: number; points: number } | null = null;
  private moving = false;
  private fresh = true;
  private held: { points: Float32Array; codes: Uint16Array | null; palette: Uint8Array | null } = {
    points: new Float32Array(0),
    codes: null,
    palette: null,
  };
  private gpu!: ReturnType<GlPoints["made"]>;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
  ) {
    this.gpu = this.made();
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.restored);
  }

  setPoints(points: Float32Array): void {
    const { gl } = this;
    this.held.points = points;
    this.n = points.length / 2;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.gpu.places);
    gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
    this.setCodes(null);
  }

  setCodes(codes: Uint16Array | null): void {
    const { gl } = this;
    this.held.codes = codes;
    this.hasCodes = codes !== null && codes.length >= this.n;
    gl.bindVertexArray(this.gpu.array);
    if (this.hasCodes) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.gpu.codes);
      gl.bufferData(gl.ARRAY_BUFFER, codes, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(1);
    } else gl.disableVertexAttribArray(1);
    gl.bindVertexArray(null);
  }

  setPalette(palette: Uint8Array, faded: readonly [number, number, number]): void {
    const { gl } = this;
    this.held.palette = palette;
    this.faded = faded;
    gl.bindTexture(gl.TEXTURE_2D, this.gpu.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, CODES / 256, 0, gl.RGBA, gl.UNSIGNED_BYTE, palette);
  }

  setKept(kept: Uint32Array | null): void {
    const { gl } = this;
    this.kept = kept;
    if (kept === null) return;
    gl.bindVertexArray(this.gpu.array);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, kept, gl.DYNAMIC_DRAW);
    gl.bindVertexArray(null);
  }

  setView(view: View, size: Size, zoom: number): void {
    this.view = view;
    this.zoom = zoom;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const wide = Math.max(Math.round(size.width * ratio), 1);
    const high = Math.max(Math.round(size.height * ratio), 1);
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
    }
    this.size = size;
  }

  draw(moving = false): void {
    this.moving = moving;
    this.fresh = true;
    if (!this.frame) this.frame = requestAnimationFrame(this.step);
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.canvas.removeEventListener("webglcontextrestored", this.restored);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** One part of the picture, unless the one before is still being drawn. */
  private readonly step = (): void => {
    this.frame = 0;
    const { gl } = this;
    if (gl.isContextLost()) return;
    if (!this.caughtUp()) {
      this.frame = requestAnimationFrame(this.step);
      return;
    }
    if (this.fresh) {
      gl.viewport(0, 0, this.canvas.width, this.canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      this.done = { faded: 0, plain: 0 };
      this.fresh = false;
    }
    const isFirst = this.done.faded + this.done.plain === 0;
    const drawn = this.more(this.part * (this.moving || isFirst ? 1 : AT_REST));
    const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    if (sync) this.fence = { sync, at: performance.now(), points: drawn };
    if (this.isWhole()) this.canvas.dispatchEvent(new Event("drawn"));
    else if (!this.moving) this.frame = requestAnimationFrame(this.step);
  };

  private isWhole(): boolean {
    const { faded, plain } = this.done;
    return this.kept === null ? plain >= this.n : faded >= this.n && plain >= this.kept.length;
  }

  private caughtUp(): boolean {
    const { gl, fence } = this;
    if (!fence) return true;
    if (gl.getSyncParameter(fence.sync, gl.SYNC_STATUS) !== gl.SIGNALED) return false;
    const took = Math.max(performance.now() - fence.at, 1);
    if (fence.points >= FEWEST) {
      const fitted = fence.points * Math.min(Math.max(FRAME / took, 0.25), 2);
      this.part = Math.round(Math.min(Math.max(fitted, FEWEST), 4_000_000));
    }
    gl.deleteSync(fence.sync);
    this.fence = null;
    return true;
  }

  /** Draw up to so many further points; those that are not kept first, so that the others lie above them. */
  private more(most: number): number {
    const { gl, done, kept, gpu } = this;
    const { diameter, opacity } = dotOf(this.n, this.size, this.zoom);
    const ratio = this.canvas.width / this.size.width;
    const at = gpu.uniforms;
    gl.useProgram(gpu.program);
    gl.bindVertexArray(gpu.array);
    gl.bindTexture(gl.TEXTURE_2D, gpu.palette);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const { view, size } = this;
    gl.uniform4f(at.view, view.x, view.y, (2 * view.scale) / size.width, (2 * view.scale) / size.height);
    const colour = (r: number, g: number, b: number, a: number): void =>
      gl.uniform4f(at.plain, r / 255, g / 255, b / 255, a);
    if (kept === null) {
      this.styled(diameter * ratio, opacity, true);
      const count = Math.min(most, this.n - done.plain);
      gl.drawArrays(gl.POINTS, done.plain, count);
      done.plain += count;
      return count;
    }
    let count = 0;
    if (done.faded < this.n) {
      this.styled(Math.max(diameter * 0.75, 1) * ratio, 1, false);
      colour(...this.faded, Math.min(opacity, 0.4) * 0.6);
      // In the first part both kinds are shown; the rest of the faded ones would cover what is kept, so they go before it.
      count = Math.min(this.moving ? Math.ceil(most / 2) : most, this.n - done.faded);
      if (done.plain) done.plain = 0;
      gl.drawArrays(gl.POINTS, done.faded, count);
      done.faded += count;
    }
    const room = Math.max(most - count, Math.min(most, FEWEST));
    const above = Math.min(room, kept.length - done.plain);
    if (above > 0) {
      this.styled(diameter * 1.15 * ratio, Math.max(opacity, 0.7), true);
      gl.drawElements(gl.POINTS, above, gl.UNSIGNED_INT, done.plain * 4);
      done.plain += above;
      count += above;
    }
    return count;
  }

  private styled(diameter: number, opacity: number, coloured: boolean): void {
    const { gl } = this;
    const at = this.gpu.uniforms;
    gl.uniform1f(at.diameter, diameter);
    gl.uniform1f(at.opacity, opacity);
    gl.uniform1i(at.coloured, coloured ? 1 : 0);
  }

  private made() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind)!;
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    const array = gl.createVertexArray();
    const [places, codes, order] = [gl.createBuffer(), gl.createBuffer(), gl.createBuffer()];
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, codes);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_SHORT, 0, 0);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
    gl.bindVertexArray(null);
    gl.vertexAttribI4ui(1, 0, 0, 0, 0);
    const palette = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, palette);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    const uniforms = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)])) as Record<
      (typeof UNIFORMS)[number],
      WebGLUniformLocation | null
    >;
    return { program, array, places, codes, palette, uniforms };
  }

  private readonly lost = (event: Event): void => event.preventDefault();

  private readonly restored = (): void => {
    const { points, codes, palette } = this.held;
    this.gpu = this.made();
    this.fence = null;
    this.setPoints(points);
    this.setCodes(codes);
    if (palette) this.setPalette(palette, this.faded);
    this.setKept(this.kept);
    this.draw();
  };
}

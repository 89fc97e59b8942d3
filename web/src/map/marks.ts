/** Rings, the point that is pointed at and the lasso, drawn above the points. */

import type { Size } from "./view";

export interface Marks {
  rings: readonly (readonly [number, number])[];
  marked: readonly [number, number] | null;
  lasso: readonly (readonly [number, number])[];
  dark: boolean;
}

export function drawMarks(canvas: HTMLCanvasElement, size: Size, marks: Marks): void {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [wide, high] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const halo = marks.dark ? "#16191a" : "#ffffff";
  const ink = marks.dark ? "#ffffff" : "#111614";
  const ring = ([x, y]: readonly [number, number], radius: number, width: number): void => {
    if (x < -radius || y < -radius || x > size.width + radius || y > size.height + radius) return;
    for (const [colour, extra] of [
      [halo, 2],
      [ink, 0],
    ] as const) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.lineWidth = width + extra;
      context.strokeStyle = colour;
      context.stroke();
    }
  };
  for (const one of marks.rings) ring(one, 6, 1.5);
  if (marks.marked) ring(marks.marked, 9, 2.5);
  if (marks.lasso.length > 1) {
    context.beginPath();
    for (const [x, y] of marks.lasso) context.lineTo(x, y);
    context.closePath();
    context.globalAlpha = 0.12;
    context.fillStyle = ink;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash([5, 4]);
    context.lineWidth = 1.5;
    context.strokeStyle = ink;
    context.stroke();
    context.setLineDash([]);
  }
}

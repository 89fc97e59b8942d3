/** Colours by code: 65,536 of them, four bytes each, as the points' renderers look them up. */

import type { Legend } from "../api";

export const NO_VALUE = 65535;
export const CODES = 65536;
/** Dark to bright, in even steps for every kind of colour vision (viridis). */
const RAMP = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
/** On a light ground the brightest end would be lost, on a dark one the darkest. */
const LIGHT = [0, 0.88] as const;
const DARK = [0.15, 1] as const;
const GREY = { light: "#9aa39f", dark: "#6d7774" };

export function rgb(hex: string): [number, number, number] {
  const found = /^#?([0-9a-f]{6})$/i.exec(hex)?.[1];
  if (!found) return [128, 128, 128];
  const whole = parseInt(found, 16);
  return [whole >> 16, (whole >> 8) & 255, whole & 255];
}

const hex = (colour: readonly number[]): string =>
  `#${colour.map((one) => Math.round(one).toString(16).padStart(2, "0")).join("")}`;

/** The colour of a part of the way (0 to 1) between the least and the most. */
export function ramp(share: number, dark: boolean): string {
  const [from, to] = dark ? DARK : LIGHT;
  const at = (from + (to - from) * Math.min(Math.max(share, 0), 1)) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  const a = rgb(RAMP[low]!);
  const b = rgb(RAMP[low + 1]!);
  return hex(a.map((one, i) => one + (b[i]! - one) * (at - low)));
}

/** Some colours along the gradient, for its picture in the legend. */
export const rampSteps = (dark: boolean, steps = 9): string[] =>
  Array.from({ length: steps }, (_, i) => ramp(i / (steps - 1), dark));

export const grey = (dark: boolean): string => (dark ? GREY.dark : GREY.light);

/** A palette of the codes 0, 1, 2 … with everything else grey. */
export function paletteOfColours(colours: readonly string[], dark: boolean): Uint8Array {
  const found = new Uint8Array(CODES * 4);
  const [r, g, b] = rgb(grey(dark));
  for (let code = 0; code < CODES; code++) found.set([r, g, b, 255], code * 4);
  colours.forEach((colour, code) => found.set([...rgb(colour), 255], code * 4));
  return found;
}

/** The palette of a legend; null colours everything alike. */
export function paletteOf(legend: Legend | null, dark: boolean): Uint8Array {
  const found = new Uint8Array(CODES * 4);
  const put = (code: number, colour: string): void => {
    const [r, g, b] = rgb(colour);
    found.set([r, g, b, 255], code * 4);
  };
  const plain = rgb(legend === null ? (dark ? "#6fcfa5" : "#1f6b4f") : grey(dark));
  for (let code = 0; code < CODES; code++) found.set([plain[0], plain[1], plain[2], 255], code * 4);
  if (legend?.kind === "number") for (let code = 0; code < 256; code++) put(code, ramp(code / 255, dark));
  for (const value of legend?.values ?? []) if (value.code < NO_VALUE) put(value.code, dark ? value.dark : value.color);
  return found;
}

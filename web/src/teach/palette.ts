/** Colours of classes, apart also for those who see few colours; the number beside them says the same. */

const COLOURS = [
  ["#0068a8", "#62b9f0"],
  ["#b25e00", "#f0a63c"],
  ["#007a5a", "#3fcf9f"],
  ["#a8437f", "#e292c0"],
  ["#7a6a00", "#e0d23c"],
  ["#b03a2e", "#ff8a73"],
  ["#5b4bb0", "#a99bf5"],
  ["#3c6b22", "#9bcc72"],
  ["#5a5f66", "#b8bec6"],
] as const;

export function colourOf(position: number): string {
  const [light, dark] = COLOURS[position % COLOURS.length]!;
  return `light-dark(${light}, ${dark})`;
}

/** The same, where a style is not at hand. */
export const hexOf = (position: number, dark: boolean): string => COLOURS[position % COLOURS.length]![dark ? 1 : 0];

/** The key that picks a class, where it has one. */
export const keyOf = (position: number): string | null => (position < 9 ? String(position + 1) : null);

/** Two encoders' probes side by side. */

import type { Probe } from "../api";

export interface Pair {
  name: string;
  title: string;
  here: Probe | null;
  there: Probe | null;
}
export type Verdict = "here" | "there" | "same" | "unknown";

/** Probes of the same name together, in the order of the first encoder's. */
export function pairsOf(here: readonly Probe[], there: readonly Probe[]): Pair[] {
  const others = new Map(there.map((one) => [one.name, one]));
  const found: Pair[] = here.map((one) => ({
    name: one.name,
    title: one.title,
    here: one,
    there: others.get(one.name) ?? null,
  }));
  const known = new Set(here.map((one) => one.name));
  for (const one of there)
    if (!known.has(one.name)) found.push({ name: one.name, title: one.title, here: null, there: one });
  return found;
}

/** Which encoder's value is the larger one; `same` unless their intervals lie apart. */
export function verdictOf({ here, there }: Pair): Verdict {
  if (here?.low == null || here.high == null || there?.low == null || there.high == null) return "unknown";
  if (here.low > there.high) return "here";
  if (there.low > here.high) return "there";
  return "same";
}

/** Whether more is better, less is, or nobody says. */
export const moreIsBetter = ({ here, there }: Pair): boolean | null =>
  here?.higher_is_better ?? there?.higher_is_better ?? null;

/** Which encoder is the better one where their values differ and the probe judges. */
export function betterOf(pair: Pair): "here" | "there" | null {
  const larger = verdictOf(pair);
  const more = moreIsBetter(pair);
  if (more === null || (larger !== "here" && larger !== "there")) return null;
  return more ? larger : larger === "here" ? "there" : "here";
}

/** What the axis of a pair spans: all that is drawn, and 0 with it, with a little room. */
export function axisOf({ here, there }: Pair): [number, number] {
  const drawn = [here, there].flatMap((one) =>
    one ? [one.value, one.low, one.high, one.null_low, one.null_high] : [],
  );
  const values = drawn.filter((one): one is number => one !== null);
  if (values.length === 0) return [0, 1];
  const least = Math.min(0, ...values);
  const most = Math.max(...values);
  const room = (most - least || 1) * 0.05;
  return [least < 0 ? least - room : 0, most + room];
}

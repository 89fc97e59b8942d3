/** Pictures of one map found again on another. A match holds, for each picture here, its place there. */

import type { Legend } from "../api";

export const NONE = 4294967295;

/** The match the other way round. Of several pictures with one partner the first is taken. */
export function inverse(match: Uint32Array, there: number): Uint32Array {
  const found = new Uint32Array(there).fill(NONE);
  for (let here = match.length - 1; here >= 0; here--) {
    const other = match[here]!;
    if (other < there) found[other] = here;
  }
  return found;
}

export interface Partners {
  /** Places there, ascending. */
  found: Uint32Array;
  /** How many have no partner. */
  missing: number;
}
export function partnersOf(indexes: Iterable<number>, match: Uint32Array): Partners {
  const found = new Set<number>();
  let missing = 0;
  for (const index of indexes) {
    const other = match[index] ?? NONE;
    if (other === NONE) missing++;
    else found.add(other);
  }
  return { found: Uint32Array.from(found).sort(), missing };
}
export const partnerOf = (index: number | null, match: Uint32Array | null): number | null => {
  const found = index === null ? undefined : match?.[index];
  return found === undefined || found === NONE ? null : found;
};

export function withoutPartner(match: Uint32Array): number {
  let found = 0;
  for (const other of match) if (other === NONE) found++;
  return found;
}

/** A legend with the colours that another one gives to the same values. */
export function colouredAs(legend: Legend, other: Legend): Legend {
  const colours = new Map(other.values.map((one) => [one.value, one]));
  return {
    ...legend,
    values: legend.values.map((one) => {
      const same = colours.get(one.value);
      return same ? { ...one, color: same.color, dark: same.dark, named: same.named } : one;
    }),
  };
}

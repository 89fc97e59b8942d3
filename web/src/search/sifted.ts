/** Which of the files that were given can be searched by, and what to say of the others. */

import { S } from "../strings";

/** Bytes that the service takes at once, less what wraps them. */
export const MOST_MB = 20;
const MOST_BYTES = MOST_MB * 1e6 - 20_000;
export const MOST_PICTURES = 8;

interface Given {
  name: string;
  type: string;
  size: number;
}

/** `held` are those that are searched by already. A file whose kind the browser does not know is left for the service to judge. */
export function sifted<T extends Given>(given: readonly T[], held: readonly Given[]): { taken: T[]; told: string[] } {
  const taken: T[] = [];
  const told: string[] = [];
  let bytes = held.reduce((sum, one) => sum + one.size, 0);
  for (const one of given) {
    if (one.type && !one.type.startsWith("image/")) told.push(S.search.notPicture(one.name));
    else if (one.size > MOST_BYTES) told.push(S.search.tooLarge(one.name, MOST_MB));
    else if (held.length + taken.length >= MOST_PICTURES) {
      told.push(S.search.onlySome(MOST_PICTURES));
      break;
    } else if (bytes + one.size > MOST_BYTES) told.push(S.search.tooLargeTogether(one.name, MOST_MB));
    else {
      bytes += one.size;
      taken.push(one);
    }
  }
  return { taken, told };
}

/** What a row says of its picture, in the order in which it is read. */

import type { Row } from "../api";
import { calledOf, factsOf as columnsOf, isLatin, RANKS, textOf } from "../state/names";

const LICENCES = ["licence", "license"];
const HOLDERS = ["rights_holder", "attribution", "creator", "photographer", "author"];
const first = (row: Row, names: readonly string[]): string | null =>
  names.map((name) => textOf(row[name])).find((one) => one !== null) ?? null;

export const aboutRights = (row: Row): { licence: string | null; holder: string | null } => ({
  licence: first(row, LICENCES),
  holder: first(row, HOLDERS),
});

export interface Facts {
  name: string;
  isLatin: boolean;
  common: string | null;
  lineage: { rank: string; name: string; taxon: string }[];
  uri: string | null;
  others: [string, string][];
}

export function factsOf(row: Row): Facts {
  const names = RANKS.map((rank) => textOf(row[rank]));
  // A path holds the names that there are, as the service writes it.
  const lineage = RANKS.flatMap((rank, i) => {
    const name = names[i];
    const taxon = names
      .slice(0, i + 1)
      .filter(Boolean)
      .join(" > ");
    return name ? [{ rank, name, taxon }] : [];
  });
  return {
    name: calledOf(row),
    isLatin: isLatin(row),
    common: textOf(row["common_name"]),
    lineage,
    uri: textOf(row["uri"]),
    others: columnsOf(row),
  };
}

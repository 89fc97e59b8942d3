/** What a row says of its picture, in the order in which it is read. */

const RANKS = ["kingdom", "phylum", "class", "order", "family", "genus", "species"] as const;
const LICENCES = ["licence", "license"];
const HOLDERS = ["rights_holder", "attribution", "creator", "photographer", "author"];
const APART = new Set<string>([...RANKS, "lineage", "vector"]);

const text = (value: unknown): string | null =>
  value === null || value === undefined || value === "" ? null : String(value);
const first = (row: Record<string, unknown>, names: readonly string[]): string | null =>
  names.map((name) => text(row[name])).find((one) => one !== null) ?? null;

export const aboutRights = (row: Record<string, unknown>): { licence: string | null; holder: string | null } => ({
  licence: first(row, LICENCES),
  holder: first(row, HOLDERS),
});

export interface Facts {
  name: string;
  isLatin: boolean;
  common: string | null;
  lineage: { rank: string; name: string; taxon: string }[];
  others: [string, string][];
}

export function factsOf(row: Record<string, unknown>): Facts {
  const names = RANKS.map((rank) => text(row[rank]));
  // A path holds the names that there are, as the service writes it.
  const lineage = RANKS.flatMap((rank, i) => {
    const name = names[i];
    const taxon = names
      .slice(0, i + 1)
      .filter(Boolean)
      .join(" > ");
    return name ? [{ rank, name, taxon }] : [];
  });
  const deepest = lineage.at(-1);
  const file = text(row["uri"])?.split(/[/\\]/).at(-1);
  return {
    name: deepest?.name ?? text(row["label"]) ?? file ?? "",
    isLatin: deepest?.rank === "genus" || deepest?.rank === "species",
    common: text(row["common_name"]),
    lineage,
    others: Object.entries(row).flatMap(([name, value]) => {
      const said = typeof value === "object" && value !== null ? JSON.stringify(value) : text(value);
      return APART.has(name) || said === null ? [] : [[name, said] as [string, string]];
    }),
  };
}

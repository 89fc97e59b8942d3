/** How a picture and a number are called on the page. */

const RANKS = ["species", "genus", "family", "order", "class", "phylum", "kingdom"];

/** The narrowest name that a row has, else its label, else the name of its file. */
export function nameOf(row: Record<string, unknown>): string {
  const lineage = typeof row["lineage"] === "string" ? row["lineage"].split(" > ").at(-1) : null;
  for (const one of [...RANKS.map((rank) => row[rank]), lineage, row["label"]])
    if (typeof one === "string" && one) return one;
  return fileOf(String(row["uri"] ?? row["image_id"] ?? ""));
}

export const fileOf = (uri: string): string => uri.split(/[\\/]/).at(-1) || uri;

/** A service's clause as a sentence. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** A share as a whole percentage; what is not quite all or nothing never reads so. */
export function percent(share: number): string {
  const whole = Math.round(share * 100);
  if (whole === 0 && share > 0) return "<1%";
  if (whole === 100 && share < 1) return ">99%";
  return `${whole}%`;
}

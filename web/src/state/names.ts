/** What a picture is called: its narrowest name, else its label, else its file. */

import type { Row } from "../api";

export const RANKS = ["kingdom", "phylum", "class", "order", "family", "genus", "species"] as const;
const NARROWEST_FIRST = [...RANKS].reverse();

export const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export function nameOf(row: Row): string | null {
  for (const rank of NARROWEST_FIRST) {
    const name = textOf(row[rank]);
    if (name) return name;
  }
  const lineage = textOf(row["lineage"]);
  return lineage === null ? textOf(row["label"]) : lastName(lineage);
}

/** Its name, or that of its file where it has none. */
export const calledOf = (row: Row): string => nameOf(row) ?? (fileOf(row) || String(row["image_id"] ?? ""));

export const isLatin = (row: Row): boolean => textOf(row["species"]) !== null || textOf(row["genus"]) !== null;

/** The last part of a path or address. */
export const fileIn = (uri: string): string => uri.slice(Math.max(uri.lastIndexOf("/"), uri.lastIndexOf("\\")) + 1);
export const fileOf = (row: Row): string => fileIn(String(row["uri"] ?? ""));

/** A taxon's own name, of its path. */
export const lastName = (taxon: string): string => taxon.slice(taxon.lastIndexOf(">") + 1).trimStart();

/** The names above a picture's own, the highest first, and its own. */
export function lineageOf(row: Row): string[] {
  return RANKS.flatMap((rank) => textOf(row[rank]) ?? []);
}

/** Columns to show of a picture, in reading order; those that are empty or shown elsewhere are left out. */
export function factsOf(row: Row): [string, string][] {
  const elsewhere = new Set<string>([
    ...RANKS,
    "lineage",
    "position",
    "score",
    "image_id",
    "uri",
    "common_name",
    "vector",
  ]);
  return Object.entries(row).flatMap(([name, value]): [string, string][] =>
    elsewhere.has(name) || value === null || value === "" || value === undefined
      ? []
      : [[name.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)]],
  );
}

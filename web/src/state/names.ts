/** What a picture is called: its narrowest name, else its label, else its file. */

import type { Row } from "../api";

const RANKS = ["species", "genus", "family", "order", "class", "phylum", "kingdom"] as const;

const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export function nameOf(row: Row): string | null {
  for (const rank of RANKS) {
    const name = textOf(row[rank]);
    if (name) return name;
  }
  return textOf(row["label"]);
}

export const isLatin = (row: Row): boolean => textOf(row["species"]) !== null || textOf(row["genus"]) !== null;

export const fileOf = (row: Row): string => {
  const uri = String(row["uri"] ?? "");
  return uri.slice(uri.lastIndexOf("/") + 1);
};

/** A taxon's own name, of its path. */
export const lastName = (taxon: string): string => taxon.slice(taxon.lastIndexOf(">") + 1).trimStart();

/** The names above a picture's own, the highest first. */
export function lineageOf(row: Row): string[] {
  return [...RANKS].reverse().flatMap((rank) => textOf(row[rank]) ?? []);
}

/** Columns to show of a picture, in reading order; those that are empty or shown elsewhere are left out. */
export function factsOf(row: Row): [string, string][] {
  const elsewhere = new Set<string>([...RANKS, "lineage", "position", "score", "image_id", "uri", "common_name"]);
  return Object.entries(row).flatMap(([name, value]): [string, string][] =>
    elsewhere.has(name) || value === null || value === "" || value === undefined
      ? []
      : [[name.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : String(value)]],
  );
}

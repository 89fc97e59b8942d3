/** The taxa of a map's pictures: their tree with counts, names that begin so, and which pictures are inside a clade. */

import type { Child, TaxonFound, TreeAnswer } from "../answers";
import { Refusal } from "../refusal";
import { RANKS } from "../state/names";
import { S } from "../strings";

/** Each distinct lineage, a list a rank, as page_data.py writes it. */
export type Columns = Record<string, (string | null)[]>;

interface Taxon {
  names: (string | null)[];
  images: number;
  common: Map<string, number>;
  species: Set<string>;
  deeper: boolean;
}

const BETWEEN = " > ";
const pathOf = (names: readonly (string | null)[]): string => names.filter(Boolean).join(BETWEEN);
/** Names that differ by their case alone are one taxon. */
const same = (path: string): string => path.toLowerCase();
/** Letters without case and accents. */
export const folded = (text: string): string =>
  text
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();

export class Lineages {
  readonly length: number;
  private readonly ranks: (string | null)[][];
  private readonly common: (string | null)[];
  private all: (TaxonFound & { latin: string; folk: string; depth: number })[] | null = null;

  constructor(
    columns: Columns,
    readonly of: Uint32Array,
  ) {
    this.ranks = RANKS.map((rank) => columns[rank] ?? []);
    this.common = columns["common_name"] ?? [];
    this.length = Math.max(this.common.length, ...this.ranks.map((one) => one.length));
  }

  /** Pictures of each lineage; of some of them, or of all. */
  counts(indexes: Uint32Array | null = null): Uint32Array {
    const found = new Uint32Array(this.length);
    if (indexes === null) for (const one of this.of) found[one]!++;
    else for (const index of indexes) found[this.of[index]!]!++;
    return found;
  }

  private names = (lineage: number, depth: number): (string | null)[] =>
    this.ranks.slice(0, depth).map((rank) => rank[lineage] ?? null);

  /** For each lineage whether it is inside one of some clades, given by their paths. */
  inside(taxa: readonly string[]): Uint8Array {
    const found = new Uint8Array(this.length);
    const wanted = new Set(taxa.map(same));
    for (let i = 0; i < this.length; i++)
      for (let depth = 1; depth <= RANKS.length; depth++)
        if (this.ranks[depth - 1]![i] && wanted.has(same(pathOf(this.names(i, depth))))) {
          found[i] = 1;
          break;
        }
    return found;
  }

  /** Indexes of the pictures inside one of some clades. */
  selected(taxa: readonly string[]): Uint32Array {
    const inside = this.inside(taxa);
    return Uint32Array.from(indexesWhere(this.of.length, (index) => inside[this.of[index]!] === 1));
  }

  private depthOf(taxon: string): number {
    for (let i = 0; i < this.length; i++)
      for (let depth = 1; depth <= RANKS.length; depth++)
        if (this.ranks[depth - 1]![i] && same(pathOf(this.names(i, depth))) === same(taxon)) return depth;
    throw new Refusal(404, S.alone.noTaxon(taxon));
  }

  /** The taxa of one rank below a taxon, of pictures that are counted by lineage; those with the most first. */
  children(
    counts: Uint32Array,
    under: string | null,
    asked: string | null | undefined,
    limit: number,
    offset: number,
  ): TreeAnswer {
    const depth = under === null ? 0 : this.depthOf(under);
    const inside = under === null ? null : this.inside([under]);
    const rows: number[] = [];
    for (let i = 0; i < this.length; i++) if (counts[i]! > 0 && (inside === null || inside[i] === 1)) rows.push(i);
    const images = rows.reduce((sum, i) => sum + counts[i]!, 0);
    const rank = asked ?? RANKS.slice(depth).find((_, at) => rows.some((i) => this.ranks[depth + at]![i])) ?? null;
    const listed = rank === null ? [] : this.grouped(rows, counts, rank);
    return {
      under,
      rank,
      images,
      without_rank: images - listed.reduce((sum, one) => sum + one.images, 0),
      n_children: listed.length,
      children: listed.slice(offset, offset + limit),
    };
  }

  private grouped(rows: readonly number[], counts: Uint32Array, rank: string): Child[] {
    const stop = RANKS.findIndex((one) => one === rank) + 1;
    const found = new Map<string, Taxon>();
    for (const i of rows) {
      if (!this.ranks[stop - 1]![i]) continue;
      const names = this.names(i, stop);
      const path = pathOf(names);
      let taxon = found.get(same(path));
      if (!taxon)
        found.set(same(path), (taxon = { names, images: 0, common: new Map(), species: new Set(), deeper: false }));
      taxon.images += counts[i]!;
      const species = this.ranks[RANKS.length - 1]![i];
      if (species) taxon.species.add(species);
      const deeper = this.ranks.slice(stop).some((one) => one[i]);
      taxon.deeper ||= deeper;
      const common = this.common[i];
      if (common && !deeper) taxon.common.set(common, (taxon.common.get(common) ?? 0) + counts[i]!);
    }
    const listed = [...found.values()].map((one) => ({
      taxon: pathOf(one.names),
      name: one.names[stop - 1]!,
      rank,
      common_name: mostFrequent(one.common),
      images: one.images,
      species: one.species.size,
      has_children: one.deeper,
    }));
    return listed.sort((a, b) => b.images - a.images || (a.taxon < b.taxon ? -1 : 1));
  }

  /** Taxa whose name begins with some letters, then those where a word does, then those that hold them. */
  find(letters: string, limit: number): TaxonFound[] {
    const sought = folded(letters.trim());
    if (!sought) return [];
    if (this.all === null) {
      const counts = this.counts();
      const rows = Array.from({ length: this.length }, (_, i) => i);
      this.all = RANKS.flatMap((rank, depth) =>
        this.grouped(rows, counts, rank).map((one) => ({
          ...one,
          latin: folded(one.name),
          folk: folded(one.common_name ?? ""),
          depth,
        })),
      );
    }
    return best(this.all, sought, limit);
  }
}

/** Of names those that hold the letters, the nearest to what is meant first. */
export function best<T extends { latin: string; folk: string; images: number; depth: number }>(
  all: readonly T[],
  sought: string,
  limit: number,
): T[] {
  const place = (one: T): number =>
    one.latin.startsWith(sought) || one.folk.startsWith(sought)
      ? 0
      : one.latin.includes(` ${sought}`) || one.folk.includes(` ${sought}`)
        ? 1
        : 2;
  return all
    .filter((one) => one.latin.includes(sought) || one.folk.includes(sought))
    .map((one) => ({ one, place: place(one) }))
    .sort((a, b) => a.place - b.place || b.one.images - a.one.images || a.one.depth - b.one.depth)
    .slice(0, limit)
    .map(({ one }) => one);
}

export function* indexesWhere(n: number, passes: (index: number) => boolean): Generator<number> {
  for (let index = 0; index < n; index++) if (passes(index)) yield index;
}

function mostFrequent(counts: ReadonlyMap<string, number>): string | null {
  let found: string | null = null;
  for (const [name, n] of counts) {
    const most = found === null ? -1 : counts.get(found)!;
    if (n > most || (n === most && name < found!)) found = name;
  }
  return found;
}

/** The pictures of the grid in their order: hits of a search, or what the map keeps, or the rows where there is no map. */

import { SvelteMap } from "svelte/reactivity";
import type { Hit, MapRow } from "../api";
import type { Explorer } from "../map/explorer.svelte";
import { holds, lowest } from "../map/sets";
import { place } from "../state/place.svelte";

export interface Item {
  image_id: string;
  uri: string;
  name: string | null;
  common_name: string | null;
  lineage: string | null;
  label: string | null;
  score: number | null;
}

const PAGE = 100;
export const MOST_EXPORTED = 20_000;

export class Items {
  /** Pages of rows, where there is no map yet. */
  private readonly paged = new SvelteMap<number, Item>();
  private total = $state(0);
  private cursor: string | null = null;
  private fetching = $state(false);
  private turn = 0;

  constructor(private readonly from: Explorer) {}

  private get hits(): Hit[] | null {
    const { hits, lasso } = this.from.collection;
    if (!hits || !lasso) return hits;
    const at = this.from.hitIndexes;
    return hits.filter((_, i) => {
      const index = at[i];
      return index !== null && index !== undefined && holds(lasso, index);
    });
  }
  private readonly shown = $derived(this.hits);

  get count(): number {
    const { map, kept } = this.from.collection;
    return this.shown?.length ?? (map ? (kept?.length ?? map.n) : this.total);
  }

  /** Whether nobody knows yet how many there are. */
  get waits(): boolean {
    return !this.shown && !this.from.collection.map && this.fetching && this.total === 0;
  }

  /** The picture at a position, or undefined while it comes. */
  at(position: number): Item | undefined {
    if (position < 0 || position >= this.count) return undefined;
    const hit = this.shown?.[position];
    if (hit) return ofHit(hit);
    const { map, kept } = this.from.collection;
    if (map) {
      const row = this.from.rows?.of(kept?.[position] ?? position);
      return row && ofRow(row);
    }
    const found = this.paged.get(position);
    if (!found) void this.page();
    return found;
  }

  /** Where in the grid a point of the map stands, or null. */
  positionOf(index: number): number | null {
    const { hits, kept } = this.from.collection;
    if (hits) return null;
    if (!kept) return index;
    const found = lowest(kept, index);
    return kept[found] === index ? found : null;
  }

  /** Begin anew, after the filters have changed where there is no map. */
  restart(): void {
    this.turn++;
    this.paged.clear();
    this.total = 0;
    this.cursor = null;
    this.fetching = false;
    void this.page();
  }

  /** All of them, for a file, up to `MOST_EXPORTED`. */
  async everything(): Promise<Item[]> {
    if (this.shown) return this.shown.map(ofHit);
    const { map, kept } = this.from.collection;
    if (!map || !this.from.rows) return [...this.paged.values()];
    const n = Math.min(kept?.length ?? map.n, MOST_EXPORTED);
    return (await this.from.rows.all(kept ? [...kept.subarray(0, n)] : Array.from({ length: n }, (_, i) => i))).map(
      ofRow,
    );
  }

  private async page(): Promise<void> {
    if (this.fetching || (this.cursor === null && this.paged.size)) return;
    this.fetching = true;
    const turn = this.turn;
    const limits = { within: [...place.within], where: [...place.where] };
    const found = await this.from.heard(this.from.api.rows(limits, this.cursor, PAGE));
    if (turn !== this.turn) return;
    this.fetching = false;
    if (!found) return;
    const start = this.paged.size;
    found.rows.forEach((row, i) => this.paged.set(start + i, ofRecord(row)));
    this.cursor = found.next;
    this.total = found.next === null ? this.paged.size : Math.min(found.total, this.paged.size + PAGE);
  }
}

const last = (lineage: string | null): string | null => lineage?.split(" > ").at(-1) ?? null;
const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);

const ofHit = (hit: Hit): Item => ({
  image_id: hit.image_id,
  uri: hit.uri,
  name: last(hit.lineage) ?? text(hit["label"]),
  common_name: hit.common_name,
  lineage: hit.lineage,
  label: text(hit["label"]),
  score: hit.score,
});

const ofRow = (row: MapRow): Item => ({
  image_id: row.image_id,
  uri: row.uri,
  name: row.name ?? last(row.lineage) ?? row.label,
  common_name: row.common_name,
  lineage: row.lineage,
  label: row.label,
  score: null,
});

const RANKS = ["kingdom", "phylum", "class", "order", "family", "genus", "species"];

function ofRecord(row: Record<string, unknown>): Item {
  const names = RANKS.map((rank) => text(row[rank])).filter((one) => one !== null);
  const lineage = text(row["lineage"]) ?? (names.join(" > ") || null);
  return {
    image_id: String(row["image_id"]),
    uri: String(row["uri"]),
    name: last(lineage) ?? text(row["label"]),
    common_name: text(row["common_name"]),
    lineage,
    label: text(row["label"]),
    score: null,
  };
}

/** What to call a picture: its name, else its file's. */
export const called = (item: { name: string | null; label?: string | null; uri: string }): string =>
  item.name ?? item.label ?? item.uri.split(/[/\\]/).at(-1) ?? item.uri;

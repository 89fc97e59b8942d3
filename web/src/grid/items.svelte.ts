/** The pictures of the grid in their order: hits of a search, or what the map keeps, or the rows where there is no map. */

import { SvelteMap } from "svelte/reactivity";
import type { Hit, Row, StoreApi } from "../api";
import type { Explorer } from "../map/explorer.svelte";
import { holds, lowest } from "../map/sets";
import { calledOf, isLatin, lineageOf, nameOf, RANKS, textOf } from "../state/names";
import { place } from "../state/place.svelte";

export interface Item {
  image_id: string;
  uri: string;
  name: string | null;
  /** Its name, or that of its file. */
  called: string;
  isLatin: boolean;
  common_name: string | null;
  lineage: string | null;
  label: string | null;
  score: number | null;
}

const PAGE = 100;
const EXPORT_PAGE = 1000;
/** Names in the lineage of a genus that has all ranks. */
const GENUS = RANKS.indexOf("genus") + 1;
export const MOST_EXPORTED = 20_000;

export class Items {
  /** Pages of rows, where there is no map yet. */
  private readonly paged = new SvelteMap<number, Item>();
  /** Positions that the grid has while rows come page by page, and rows that there are. */
  private total = $state(0);
  private known = $state(0);
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

  /** How many pictures there are, of which the grid may show the first so far. */
  get passing(): number {
    return this.shown || this.from.collection.map ? this.count : this.known;
  }

  /** Whether nobody knows yet how many there are. */
  get waits(): boolean {
    return !this.shown && !this.from.collection.map && this.fetching && this.total === 0;
  }

  /** The picture at a position, or undefined while it comes. */
  at(position: number): Item | undefined {
    if (position < 0 || position >= this.count) return undefined;
    const hit = this.shown?.[position];
    if (hit) return ofRow(hit);
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
    this.known = 0;
    this.cursor = null;
    this.fetching = false;
    void this.page();
  }

  /** All of them, for a file, up to `MOST_EXPORTED`. */
  async everything(): Promise<Item[]> {
    if (this.shown) return this.shown.map(ofRow);
    const { map, kept } = this.from.collection;
    if (!map || !this.from.rows) return this.allRows();
    const n = Math.min(kept?.length ?? map.n, MOST_EXPORTED);
    return (await this.from.rows.all(kept ? [...kept.subarray(0, n)] : Array.from({ length: n }, (_, i) => i))).map(
      ofRow,
    );
  }

  private async allRows(): Promise<Item[]> {
    const limits = { within: [...place.within], where: [...place.where] };
    const found: Item[] = [];
    let cursor: string | null = null;
    do {
      const part: Awaited<ReturnType<StoreApi["rows"]>> = await this.from.api.rows(limits, cursor, EXPORT_PAGE);
      found.push(...part.rows.map(ofRow));
      cursor = part.next;
    } while (cursor !== null && found.length < MOST_EXPORTED);
    return found.slice(0, MOST_EXPORTED);
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
    found.rows.forEach((row, i) => this.paged.set(start + i, ofRow(row)));
    this.cursor = found.next;
    this.known = found.total;
    this.total = found.next === null ? this.paged.size : Math.min(found.total, this.paged.size + PAGE);
  }
}

const ofRow = (row: Row): Item => ({
  image_id: String(row["image_id"]),
  uri: String(row["uri"]),
  name: nameOf(row),
  called: calledOf(row),
  isLatin: isLatin(row) || (textOf(row["lineage"])?.split(" > ").length ?? 0) >= GENUS,
  common_name: textOf(row["common_name"]),
  lineage: textOf(row["lineage"]) ?? (lineageOf(row).join(" > ") || null),
  label: textOf(row["label"]),
  score: typeof row["score"] === "number" ? row["score"] : null,
});

/** Rows of pictures by their place in the map's order, fetched when first asked for, many at once. */

import { SvelteMap } from "svelte/reactivity";
import type { MapRow, StoreApi } from "../api";

const BATCH = 200;
const MOST = 20_000;

export class Rows {
  private readonly held = new SvelteMap<number, MapRow>();
  private readonly asked = new Set<number>();
  private waiting: number[] = [];
  private planned = false;

  constructor(
    private readonly api: StoreApi,
    readonly key: string,
    /** Told of an error that leaves rows out. */
    private readonly failed: (error: unknown) => void = () => {},
  ) {}

  /** The row, or undefined while it comes. */
  of(index: number): MapRow | undefined {
    const found = this.held.get(index);
    if (!found && !this.asked.has(index)) {
      this.asked.add(index);
      this.waiting.push(index);
      if (!this.planned) {
        this.planned = true;
        setTimeout(() => void this.fetch(), 30);
      }
    }
    return found;
  }

  /** Rows of all these, in their order. */
  async all(indexes: readonly number[]): Promise<MapRow[]> {
    const found: MapRow[] = [];
    for (let at = 0; at < indexes.length; at += BATCH)
      found.push(...(await this.api.mapRows(this.key, indexes.slice(at, at + BATCH))));
    return found;
  }

  private async fetch(): Promise<void> {
    this.planned = false;
    // What was asked for last is what is looked at now.
    const wanted = this.waiting.reverse();
    this.waiting = [];
    if (this.held.size > MOST) {
      this.held.clear();
      this.asked.clear();
      for (const index of wanted) this.asked.add(index);
    }
    for (let at = 0; at < wanted.length; at += BATCH) {
      const part = wanted.slice(at, at + BATCH);
      try {
        for (const row of await this.api.mapRows(this.key, part)) this.held.set(row.index, row);
      } catch (error) {
        for (const index of part) this.asked.delete(index);
        this.failed(error);
      }
    }
  }
}

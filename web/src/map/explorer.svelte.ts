/** What the parts of the Explore view share: the rows, the colours, the search and what is kept. */

import type { MapReady, StoreApi } from "../api";
import { Items } from "../grid/items.svelte";
import { Search } from "../search/search.svelte";
import { sentenceOf, type Collection } from "../state/collection.svelte";
import { go, place, type Place } from "../state/place.svelte";
import { Colouring } from "./colouring.svelte";
import { Rows } from "./rows.svelte";
import { both } from "./sets";

const known = new WeakMap<Collection, Explorer>();

export class Explorer {
  readonly api: StoreApi;
  readonly search: Search;
  readonly colouring = new Colouring();
  readonly items: Items;
  private held: Rows | null = $state.raw(null);
  /** Pictures that pass the clades and filters of the address; null for all. */
  selected: Uint32Array | null = $state.raw(null);
  /** Where the hits lie on the map, in their order. */
  hitIndexes: (number | null)[] = $state.raw([]);
  private problems: Record<string, string | null> = $state({});
  /** The point of the picture that is pointed at outside the map. */
  pointed: number | null = $state(null);
  /** The point that the map is to go to, which bears a mark from then on. */
  goal: { index: number; x: number; y: number } | null = $state.raw(null);
  /** The position in the grid of the picture that is shown in full, where it was opened from there or the map. */
  openAt: number | null = $state(null);
  private turn = 0;
  private version = 0;

  private constructor(readonly collection: Collection) {
    this.api = collection.api;
    this.search = new Search(collection.api);
    this.items = new Items(this);
  }

  /** The same one each time, so that one's own pictures are still there after a look at another view. */
  static of(collection: Collection): Explorer {
    const found = known.get(collection) ?? new Explorer(collection);
    known.set(collection, found);
    return found;
  }

  /** The rows of the map that is there; null until they can be asked for. */
  get rows(): Rows | null {
    return this.held?.key === this.collection.map?.key ? this.held : null;
  }

  /** Have rows for a map; those of another one, or of the store as it was, are given up. */
  renew(map: MapReady, version: number): void {
    if (this.held?.key === map.key && this.version === version) return;
    this.version = version;
    this.held = new Rows(this.api, map.key, (error) => this.collection.replaced(error));
  }

  /** Apply the clades and filters of the address and the lasso. */
  async keep(within: readonly string[], where: readonly string[]): Promise<void> {
    const turn = ++this.turn;
    const { map, details } = this.collection;
    if (!map) return;
    const limits = { within: [...within], where: [...where] };
    const isPart = limits.within.length + limits.where.length > 0 || (details !== null && details.images < map.n);
    const found = isPart ? await this.heard(this.api.selected(map.key, limits), "keep") : null;
    if (turn !== this.turn || found === undefined) return;
    if (found === null) this.problems["keep"] = null;
    this.selected = found;
    this.intersect();
  }

  lasso(found: Uint32Array | null): void {
    this.collection.lasso = found;
    this.intersect();
  }

  async find(asked: Pick<Place, "text" | "like" | "unlike" | "within" | "where">): Promise<void> {
    const encodes = asked.text !== null || this.search.pictures.length > 0;
    if (encodes && this.collection.encoderLoads) return this.search.wait();
    const hits = await this.heard(this.search.run(asked), "search");
    if (hits === undefined) {
      this.collection.hits = this.search.busy ? this.collection.hits : null;
      return;
    }
    this.hitIndexes = [];
    this.collection.hits = hits;
  }

  /** Find the hits on the map, once there are both. */
  async locate(): Promise<void> {
    const { map, hits } = this.collection;
    if (!map || !hits?.length) {
      this.hitIndexes = [];
      return;
    }
    const found = await this.heard(
      this.api.indexes(
        map.key,
        hits.map((hit) => hit.image_id),
      ),
    );
    if (found && this.collection.hits === hits) this.hitIndexes = found;
  }

  /** Find the places of one's own pictures on the map. */
  async placeOwn(): Promise<void> {
    const { map, encoderLoads } = this.collection;
    if (!map || encoderLoads) return;
    for (const one of this.search.pictures.filter((picture) => picture.at === null)) {
      const found = await this.heard(this.api.place(map.key, one.file));
      if (found) one.at = { x: found.x, y: found.y };
    }
  }

  async openIndex(index: number): Promise<void> {
    const [row] = (await this.heard(this.rows?.all([index]) ?? Promise.resolve([]))) ?? [];
    if (row) this.open(row.image_id, this.items.positionOf(index));
  }

  /** Show a picture in full; its position in the grid leads to those beside it. */
  open(id: string, position: number | null): void {
    this.openAt = position;
    this.goal = null;
    go({ open: id }, place.open !== null);
  }

  /** Bring a picture into the middle of the map. */
  async showOnMap(id: string): Promise<void> {
    const { map, points } = this.collection;
    if (!map || !points) return;
    const index = (await this.heard(this.api.indexes(map.key, [id])))?.[0];
    if (index === null || index === undefined) return;
    this.goal = { index, x: points[2 * index]!, y: points[2 * index + 1]! };
  }

  /** Where a picture of the grid lies on the map. */
  indexAt(position: number): number | null {
    const { map, hits, kept } = this.collection;
    if (!map) return null;
    if (hits)
      return this.hitIndexes[hits.findIndex((hit) => hit.image_id === this.items.at(position)?.image_id)] ?? null;
    return kept?.[position] ?? position;
  }

  /** Wait for an answer and say what went wrong; a map that was replaced is fetched anew. */
  async heard<T>(answer: Promise<T>, about = "view"): Promise<T | undefined> {
    try {
      const found = await answer;
      this.problems[about] = null;
      return found;
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return undefined;
      if (!this.collection.replaced(error)) this.problems[about] = sentenceOf(error);
      return undefined;
    }
  }

  get problem(): string | null {
    return Object.values(this.problems).find((one) => one) ?? null;
  }

  private intersect(): void {
    this.collection.kept = both(this.selected, this.collection.lasso);
  }
}

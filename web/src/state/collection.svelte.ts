/** The store that is looked at: what it holds, its map, and which of its pictures are kept. Views share one. */

import { Refusal, StoreApi, type Hit, type MapReady, type StoreDetails } from "../api";
import { S } from "../strings";

/** Milliseconds between two looks at a map that is made. */
const LOOKS = 700;

export class Collection {
  readonly api: StoreApi;
  details: StoreDetails | null = $state(null);
  map: MapReady | null = $state(null);
  /** How far the map is while it is made: 0 to 1, or null where nobody knows. */
  making: { done: number | null } | null = $state(null);
  mapProblem: string | null = $state(null);
  points: Float32Array | null = $state.raw(null);
  /** Indexes on the map that pass the clades, filters and lasso; null for all. */
  kept: Uint32Array | null = $state.raw(null);
  /** Indexes inside the lasso; null without one. It is no part of the address. */
  lasso: Uint32Array | null = $state.raw(null);
  /** What a search found, best first; null without a search. */
  hits: Hit[] | null = $state.raw(null);
  problem: string | null = $state(null);
  /** While it is true, the service cannot read words and pictures yet. */
  encoderLoads = $state(false);
  /** The map lacks pictures that have come since it was made. */
  stale = $state(false);
  private ended = false;
  private following: Promise<void> | null = null;

  constructor(
    readonly name: string,
    readonly vectors: string | null = null,
  ) {
    this.api = new StoreApi(name, vectors);
  }

  async start(): Promise<void> {
    await this.refresh();
    await this.followMap();
  }

  /** Look again at what the store holds; a map that is there is asked whether it has all of it. */
  async refresh(): Promise<void> {
    const before = this.details?.images;
    try {
      this.details = await this.api.details();
      this.problem = null;
    } catch (error) {
      this.problem = sentenceOf(error);
    }
    if (this.map && this.details?.images !== before) await this.followMap();
  }

  /** Ask for the map until it is there. One that is there already stays until another has taken its place. */
  followMap(): Promise<void> {
    this.following ??= this.follow().finally(() => (this.following = null));
    return this.following;
  }

  /** Have the map made of the store as it is now. */
  async remake(): Promise<void> {
    try {
      await this.api.remakeMap();
    } catch (error) {
      this.mapProblem = sentenceOf(error);
      return;
    }
    await this.followMap();
  }

  private async follow(): Promise<void> {
    while (!this.ended) {
      try {
        const found = await this.api.map();
        if (found.state === "making" || (found.state === "ready" && (await this.outgrown(found)))) {
          this.making = { done: "done" in found ? found.done : null };
          if (this.map && this.lacksMost(this.map)) this.map = this.points = null;
        } else {
          if (found.state === "failed") this.mapProblem = found.problem;
          else await this.take(found);
          this.making = null;
          return;
        }
      } catch (error) {
        if (!(error instanceof Refusal && error.status === 409)) {
          this.making = null;
          this.mapProblem = sentenceOf(error);
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LOOKS));
    }
  }

  private lacksMost(map: MapReady): boolean {
    return 2 * map.n <= (this.details?.images ?? 0);
  }

  /** Whether a map lacks most pictures and another one is made. Until that is there the grid lists the rows. */
  private async outgrown(found: MapReady): Promise<boolean> {
    if (!found.stale || !this.lacksMost(found)) return false;
    const made = await this.api.remakeMap().catch(() => null);
    return made?.state === "making";
  }

  private async take(found: MapReady): Promise<void> {
    if (found.key !== this.map?.key) {
      this.points = await this.api.points(found.key);
      this.map = found;
    }
    this.stale = found.stale;
    this.mapProblem = null;
  }

  /** Whether an error says that another map has taken this one's place; then that one is fetched. */
  replaced(error: unknown): boolean {
    if (!(error instanceof Refusal) || error.status !== 409) return false;
    void this.followMap().then(() => this.refresh());
    return true;
  }

  end(): void {
    this.ended = true;
  }
}

/** What to say of an error: the service's own sentence where it has one. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Refusal) return error.status === 0 ? S.offline : error.message;
  return error instanceof Error ? error.message : String(error);
}

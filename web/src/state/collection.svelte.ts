/** The store that is looked at: what it holds, its map, and which of its pictures are kept. Views share one. */

import { Refusal, StoreApi, type Hit, type MapReady, type StoreDetails } from "../api";
import { S } from "../strings";

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
  private ended = false;

  constructor(
    readonly name: string,
    readonly vectors: string | null = null,
  ) {
    this.api = new StoreApi(name);
  }

  async start(): Promise<void> {
    await this.refresh();
    await this.followMap();
  }

  async refresh(): Promise<void> {
    try {
      this.details = await this.api.details();
      this.problem = null;
    } catch (error) {
      this.problem = sentenceOf(error);
    }
  }

  /** Ask for the map until it is there. */
  async followMap(): Promise<void> {
    while (!this.ended) {
      try {
        const found = await this.api.map(this.vectors);
        if (found.state === "ready") {
          this.points = await this.api.points(found.key);
          this.making = null;
          this.mapProblem = null;
          this.map = found;
          return;
        }
        if (found.state === "failed") {
          this.making = null;
          this.mapProblem = found.problem;
          return;
        }
        this.making = { done: found.done };
      } catch (error) {
        this.making = null;
        this.mapProblem = sentenceOf(error);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
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

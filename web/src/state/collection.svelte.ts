/** The store that is looked at, and what is asked of it: all its pictures, those of some clades and filters, or the hits of a search. */

import { Refusal, StoreApi, type Limits, type Row, type SearchAnswer, type StoreDetails } from "../api";
import { S } from "../strings";

/** Hits that a search asks for. */
const HITS = 100;

export interface Asked extends Limits {
  text: string | null;
  like: string[];
  file: Blob | null;
}

export class Collection {
  readonly api: StoreApi;
  details: StoreDetails | null = $state(null);
  /** What the grid shows: rows in their order, or hits, best first. */
  rows: Row[] = $state.raw([]);
  /** Rows there are; of a search, as many as were found. */
  total = $state(0);
  answer: SearchAnswer | null = $state.raw(null);
  busy = $state(true);
  problem: string | null = $state(null);
  private next: string | null = null;
  private limits: Limits = {};
  private asking = new AbortController();

  constructor(readonly name: string) {
    this.api = new StoreApi(name);
  }

  async start(): Promise<void> {
    try {
      this.details = await this.api.details();
    } catch (error) {
      this.problem = sentenceOf(error);
    }
  }

  /** Ask anew; an answer to what was asked before no longer counts. */
  async ask({ text, like, file, within, where }: Asked): Promise<void> {
    this.asking.abort();
    const { signal } = (this.asking = new AbortController());
    this.limits = { within, where };
    this.busy = true;
    try {
      if (text || like.length || file) {
        const query = { ...this.limits, k: HITS };
        const found = file
          ? await this.api.searchImage(file, query, signal)
          : await this.api.search({ ...query, text: text || null, id: like }, signal);
        this.answer = found;
        this.rows = found.hits;
        this.total = found.hits.length;
        this.next = null;
      } else {
        const found = await this.api.rows(this.limits, null, signal);
        this.answer = null;
        this.rows = found.rows;
        this.total = found.total;
        this.next = found.next;
      }
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = sentenceOf(error);
      this.rows = [];
      this.total = 0;
      this.answer = null;
      this.next = null;
    }
    this.busy = false;
  }

  /** The next page of rows, where there is one. */
  async more(): Promise<void> {
    if (this.busy || this.next === null) return;
    const { signal } = this.asking;
    this.busy = true;
    try {
      const found = await this.api.rows(this.limits, this.next, signal);
      this.rows = [...this.rows, ...found.rows];
      this.total = found.total;
      this.next = found.next;
    } catch (error) {
      if (signal.aborted) return;
      this.problem = sentenceOf(error);
      this.next = null;
    }
    this.busy = false;
  }
}

/** What to say of an error: the service's own sentence where it has one. */
export function sentenceOf(error: unknown): string {
  if (error instanceof Refusal) return error.status === 0 ? S.offline : error.message;
  return error instanceof Error ? error.message : String(error);
}

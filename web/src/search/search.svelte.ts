/** What is searched for: words and examples stand in the address, one's own pictures in memory alone. */

import type { Hit, SearchAnswer, StoreApi } from "../api";
import type { Place } from "../state/place.svelte";
import { sifted } from "./sifted";

export const HITS = 200;

export interface OwnPicture {
  file: File;
  name: string;
  url: string;
  /** Where it lies on the map; null while that is not known. */
  at: { x: number; y: number } | null;
}

export class Search {
  pictures: OwnPicture[] = $state([]);
  answer: SearchAnswer | null = $state.raw(null);
  busy = $state(false);
  /** Grows with each search that is asked for again. */
  turn = $state(0);
  private running: AbortController | null = null;

  constructor(private readonly api: StoreApi) {}

  /** Take pictures from files. */
  add(files: Iterable<File>): { taken: File[]; told: string[] } {
    const held = this.pictures.map((one) => one.file);
    const found = sifted([...files], held);
    for (const file of found.taken)
      this.pictures.push({ file, name: file.name, url: URL.createObjectURL(file), at: null });
    return found;
  }

  remove(url: string): void {
    URL.revokeObjectURL(url);
    this.pictures = this.pictures.filter((one) => one.url !== url);
  }

  clear(): void {
    for (const one of this.pictures) URL.revokeObjectURL(one.url);
    this.pictures = [];
  }

  /** Hold a search until the encoder can read it. */
  wait(): void {
    this.running?.abort();
    this.busy = true;
  }

  /** Find what is asked for; null where nothing is. An answer that a later question overtook is never given. */
  async run(asked: Pick<Place, "text" | "like" | "unlike" | "within" | "where">): Promise<Hit[] | null> {
    this.running?.abort();
    const files = this.pictures.map((one) => one.file);
    if (!asked.text && asked.like.length === 0 && files.length === 0) {
      this.answer = null;
      this.busy = false;
      return null;
    }
    const own = (this.running = new AbortController());
    this.busy = true;
    const query = {
      text: asked.text,
      id: [...asked.like],
      not_id: [...asked.unlike],
      within: [...asked.within],
      where: [...asked.where],
      k: HITS,
    };
    try {
      const answer = files.length
        ? await this.api.searchImages(files, query, own.signal)
        : await this.api.search(query, own.signal);
      this.answer = answer;
      return answer.hits;
    } finally {
      if (this.running === own) this.busy = false;
    }
  }
}

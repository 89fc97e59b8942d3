/** What the classifier says of pictures, asked for many at once as they come into sight. */

import { SvelteMap } from "svelte/reactivity";
import type { Answer, StoreApi } from "../api";

/** In the address: by the most similar pictures, without a classifier that was taught. */
export const NEAREST = "*";
const BATCH = 60;

export class Naming {
  private readonly held = new SvelteMap<string, Answer | null>();
  private waiting = new Set<string>();
  private planned = false;
  problem: string | null = $state(null);

  constructor(
    private readonly api: StoreApi,
    private readonly classifier: string,
    private readonly told: (error: unknown) => string,
  ) {}

  /** The answer; undefined while it comes, null where there is none. */
  of(id: string): Answer | null | undefined {
    const found = this.held.get(id);
    if (found === undefined && !this.waiting.has(id)) {
      this.waiting.add(id);
      if (!this.planned) {
        this.planned = true;
        setTimeout(() => void this.ask(), 120);
      }
    }
    return found;
  }

  private async ask(): Promise<void> {
    this.planned = false;
    const ids = [...this.waiting];
    const given = this.classifier === NEAREST ? {} : { classifier: this.classifier };
    for (let at = 0; at < ids.length; at += BATCH) {
      const part = ids.slice(at, at + BATCH);
      try {
        for (const answer of (await this.api.predict(part, given)).answers)
          if (answer.image_id !== null) this.held.set(answer.image_id, answer);
        this.problem = null;
      } catch (error) {
        this.problem = this.told(error);
      }
      for (const id of part) {
        if (!this.held.has(id)) this.held.set(id, null);
        this.waiting.delete(id);
      }
    }
  }
}

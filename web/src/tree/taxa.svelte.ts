/** The tree of life as it is unfolded: children are fetched when a taxon is opened. */

import { SvelteMap, SvelteSet } from "svelte/reactivity";
import type { Child, StoreApi, TreeAnswer } from "../api";
import { sentenceOf } from "../state/collection.svelte";

export interface Branch {
  kind: "taxon";
  taxon: Child;
  parent: string | null;
  level: number;
  position: number;
  siblings: number;
  /** The most pictures that any of its siblings has, for its bar. */
  most: number;
}
/** A line at the end of some children: those not fetched yet, or pictures without a name there. */
export interface Rest {
  kind: "more" | "unnamed";
  key: string;
  parent: string | null;
  level: number;
  count: number;
  rank: string;
}
const PART = 100;

export class Taxa {
  private readonly answers = new SvelteMap<string, TreeAnswer>();
  readonly open = new SvelteSet<string>();
  /** Counts are of these pictures of the map alone; null for all. */
  private of: { key: string; indexes: Uint32Array } | null = null;
  private turn = 0;
  /** Why the last answer did not come. */
  problem: string | null = $state(null);

  /** `replaced` says of an error whether the map is another by now. */
  constructor(
    private readonly api: StoreApi,
    private readonly replaced: (error: unknown) => boolean,
  ) {}

  readonly lines: (Branch | Rest)[] = $derived(this.below(null, 1));
  get loaded(): boolean {
    return this.answers.has("");
  }
  get total(): number {
    return this.answers.get("")?.images ?? 0;
  }

  /** Count some pictures, or all, and fetch anew what is open. */
  async count(of: { key: string; indexes: Uint32Array } | null): Promise<void> {
    this.of = of;
    const turn = ++this.turn;
    const parents = [null, ...this.open];
    const found = await Promise.all(parents.map((one) => this.heard(this.ask(one, 0))));
    if (turn !== this.turn) return;
    this.answers.clear();
    parents.forEach((parent, i) => {
      const answer = found[i];
      if (answer) this.answers.set(parent ?? "", answer);
    });
    await this.unfold(null);
  }

  async toggle(taxon: string, open = !this.open.has(taxon)): Promise<void> {
    if (!open) {
      this.open.delete(taxon);
      return;
    }
    this.open.add(taxon);
    if (!this.answers.has(taxon)) {
      const turn = this.turn;
      const answer = await this.heard(this.ask(taxon, 0));
      if (answer && turn === this.turn) this.answers.set(taxon, answer);
    }
    await this.unfold(taxon);
  }

  async more(parent: string | null): Promise<void> {
    const before = this.answers.get(parent ?? "");
    if (!before) return;
    const answer = await this.heard(this.ask(parent, before.children.length));
    if (answer) this.answers.set(parent ?? "", { ...before, children: [...before.children, ...answer.children] });
  }

  /** Open everything above a taxon, so that it is seen. */
  async reveal(taxon: string): Promise<void> {
    const parts = taxon.split(" > ");
    for (let depth = 1; depth < parts.length; depth++) await this.toggle(parts.slice(0, depth).join(" > "), true);
  }

  /** An only child is opened at once. */
  private async unfold(parent: string | null): Promise<void> {
    const answer = this.answers.get(parent ?? "");
    const only = answer?.n_children === 1 ? answer.children[0] : undefined;
    if (only?.has_children && !this.open.has(only.taxon)) await this.toggle(only.taxon, true);
  }

  private ask(under: string | null, offset: number): Promise<TreeAnswer> {
    return this.of
      ? this.api.treeOf(this.of.key, this.of.indexes, under, null, PART, offset)
      : this.api.tree(under, null, PART, offset);
  }

  private async heard<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      const found = await answer;
      this.problem = null;
      return found;
    } catch (error) {
      if (!this.replaced(error)) this.problem = sentenceOf(error);
      return undefined;
    }
  }

  private below(parent: string | null, level: number): (Branch | Rest)[] {
    const answer = this.answers.get(parent ?? "");
    if (!answer) return [];
    const found: (Branch | Rest)[] = [];
    const most = answer.children[0]?.images ?? 1;
    answer.children.forEach((taxon, i) => {
      found.push({ kind: "taxon", taxon, parent, level, position: i + 1, siblings: answer.n_children, most });
      if (this.open.has(taxon.taxon)) found.push(...this.below(taxon.taxon, level + 1));
    });
    const rest = { parent, level, rank: answer.rank ?? "" };
    const left = answer.n_children - answer.children.length;
    if (left > 0) found.push({ kind: "more", key: `${parent}+`, count: left, ...rest });
    if (answer.without_rank > 0 && answer.rank)
      found.push({ kind: "unnamed", key: `${parent}?`, count: answer.without_rank, ...rest });
    return found;
  }
}

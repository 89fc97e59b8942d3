/** An audit under the reader's hands: what was found, where the reader is, and what was decided. */

import type { AuditItem, AuditList, Decision, LogEntry, StoreApi } from "../api";
import { sentenceOf } from "../state/collection.svelte";
import { tell } from "../shared/toast.svelte";
import { S } from "../strings";
import {
  decidedIn,
  isOpen,
  LISTS,
  listsOf,
  nextInGroup,
  nextOpen,
  openIn,
  placeIn,
  type Lists,
  type Question,
} from "./queue";

const POLL = 1000;

export class Auditing {
  lists: Lists | null = $state.raw(null);
  notes: string[] = $state.raw([]);
  /** How far the audit is while it is made; null in `done` where nobody knows. */
  making: { done: number | null } | null = $state(null);
  problem: string | null = $state(null);
  list: AuditList = $state("duplicates");
  at = $state(0);
  inner = $state(0);
  log: LogEntry[] = $state.raw([]);
  /** Writes go out one after the other, in the order of the keys. */
  private writes: Promise<void> = Promise.resolve();
  private ended = false;

  /** `written` is called when the store has changed. */
  constructor(
    private readonly api: StoreApi,
    private readonly written: () => void,
  ) {}

  get questions(): readonly Question[] {
    return this.lists?.[this.list] ?? [];
  }
  get question(): Question | null {
    return this.questions[this.at] ?? null;
  }
  get item(): AuditItem | null {
    return this.question?.items[this.inner] ?? null;
  }

  async start(list: string | null, open: string | null): Promise<void> {
    void this.readLog();
    while (!this.ended) {
      try {
        const found = await this.api.audit();
        if (found.state === "failed") {
          this.making = null;
          this.problem = S.care.failed(found.problem ?? "");
          return;
        }
        if (found.state === "ready") {
          this.making = null;
          this.notes = found.notes;
          const lists = (this.lists = listsOf(found.lists));
          const first = LISTS.find((one) => openIn(lists[one]) > 0) ?? "duplicates";
          this.choose(LISTS.find((one) => one === list) ?? first, open);
          return;
        }
        this.making = { done: found.done };
      } catch (error) {
        this.making = null;
        this.problem = sentenceOf(error);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }
  end(): void {
    this.ended = true;
  }

  choose(list: AuditList, id: string | null = null): void {
    this.list = list;
    ({ at: this.at, inner: this.inner } = placeIn(this.questions, id));
  }
  go(to: number): void {
    this.at = Math.max(0, Math.min(this.questions.length - 1, to));
    this.inner = 0;
  }
  turn(to: number): void {
    this.inner = Math.max(0, Math.min((this.question?.items.length ?? 1) - 1, to));
  }

  /** Write decisions at once and go on; what could not be written is open again. */
  decide(decisions: readonly Omit<Decision, "list">[], told: string): void {
    const list = this.list;
    if (!this.lists || decisions.length === 0) return;
    for (const { image_id, action } of decisions) this.mark([image_id], list, action);
    this.onward();
    this.queue(async () => {
      try {
        const made = await this.api.decide(decisions.map((one) => ({ ...one, list })));
        tell([told, ...made.notes].join(" "), { label: S.undo, run: () => this.undo(made.entry) });
        this.written();
      } catch (error) {
        this.mark(
          decisions.map((one) => one.image_id),
          null,
          null,
        );
        this.choose(list, decisions[0]!.image_id);
        tell(S.failed(sentenceOf(error)), null, true);
      }
      await this.readLog();
    });
  }
  /** Take an entry of the log back; the last one that stands where none is named. */
  undo(entry?: number): void {
    this.queue(async () => {
      const found = this.log.find((one) => (entry === undefined ? !one.undone : one.entry === entry));
      if (!found) return;
      try {
        const { restored, notes } = await this.api.undo(found.entry);
        const ids = found.changes.map((one) => one.image_id);
        this.mark(ids, null, null);
        if (this.question && ids[0] !== undefined) {
          const list = [this.list, ...LISTS].find((one) => this.lists && holds(this.lists[one], ids[0]!));
          if (list) this.choose(list, ids[0]);
        }
        tell([S.care.told.undone(restored), ...notes].join(" "));
        this.written();
      } catch (error) {
        tell(S.failed(sentenceOf(error)), null, true);
      }
      await this.readLog();
    });
  }

  private mark(ids: readonly string[], list: AuditList | null, action: Decision["action"] | null): void {
    if (this.lists) this.lists = decidedIn(this.lists, new Set(ids), list, action);
  }
  private onward(): void {
    if (!this.question) return;
    const inner = isOpen(this.question) ? nextInGroup(this.question, this.inner) : null;
    if (inner !== null) this.inner = inner;
    else this.go(nextOpen(this.questions, this.at));
  }
  private queue(write: () => Promise<void>): void {
    this.writes = this.writes.then(write);
  }
  private async readLog(): Promise<void> {
    try {
      this.log = await this.api.log();
    } catch (error) {
      this.problem = sentenceOf(error);
    }
  }
}

const holds = (questions: readonly Question[], id: string): boolean =>
  questions.some((one) => one.items.some((item) => item.image_id === id));

/** Teaching by example: the labels given so far, and what the service makes of them. */

import type { StoreApi, Taught } from "../api";
import { sentenceOf } from "../state/collection.svelte";
import { keyOfWork, workOf } from "./kept";
import { grown, Labels, PASSED, type Measured } from "./labels";

export const BATCH = 12;
const WAIT = 300;

export class Teaching {
  taught: Taught | null = $state.raw(null);
  curve: Measured[] = $state.raw([]);
  risk = $state(0.1);
  /** The class that a click puts pictures into. */
  active: string | null = $state(null);
  busy = $state(false);
  problem: string | null = $state(null);
  /** False where the browser keeps nothing, such as in a private window. */
  kept = $state(true);
  private labels = new Labels();
  private version = $state(0);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asking: AbortController | null = null;

  constructor(
    private readonly api: StoreApi,
    readonly classifier: string | null,
  ) {
    this.read();
  }

  get classes(): readonly string[] {
    void this.version;
    return this.labels.classes;
  }
  get of(): ReadonlyMap<string, string> {
    void this.version;
    return this.labels.of;
  }
  get size(): number {
    void this.version;
    return this.labels.size;
  }
  get canUndo(): boolean {
    void this.version;
    return this.labels.canUndo;
  }
  get canRedo(): boolean {
    void this.version;
    return this.labels.canRedo;
  }
  /** How many steps were taken: what depends on the labels can follow it. */
  get steps(): number {
    return this.version;
  }
  byClass(): Record<string, string[]> {
    void this.version;
    return this.labels.byClass();
  }

  put = (ids: readonly string[], label: string | null): boolean => this.did(this.labels.put(ids, label));
  putEach = (pairs: readonly (readonly [string, string | null])[]): boolean => this.did(this.labels.putEach(pairs));
  addClass(name: string): boolean {
    const done = this.did(this.labels.addClass(name));
    if (done) this.active = name.trim();
    return done;
  }
  renameClass(before: string, name: string): boolean {
    const was = this.active === before;
    const done = this.did(this.labels.renameClass(before, name));
    if (done && was) this.active = name.trim();
    return done;
  }
  removeClass = (name: string): boolean => this.did(this.labels.removeClass(name));
  clear = (): boolean => this.did(this.labels.clear());
  undo = (): boolean => this.did(this.labels.undo());
  redo = (): boolean => this.did(this.labels.redo());

  /** Put a picture into the class chosen; out of it where it is there already. */
  toggle(id: string): boolean {
    if (this.active === null) return false;
    return this.put([id], this.labels.of.get(id) === this.active ? null : this.active);
  }

  setRisk(risk: number): void {
    this.risk = risk;
    this.write();
    this.ask();
  }

  /** What each picture of a map would be called, as the position of one of `classes`. */
  async codes(key: string): Promise<{ codes: Uint16Array; classes: string[] }> {
    const given = this.filled();
    const codes = await this.api.teachCodes(key, given, { risk: this.risk });
    return { codes, classes: Object.keys(given) };
  }

  /** Ask what the service makes of the labels, a moment after the last change; an earlier question is given up. */
  ask(): void {
    clearTimeout(this.timer);
    this.asking?.abort();
    const given = this.filled();
    this.busy = true;
    this.timer = setTimeout(() => void this.teach(given), WAIT);
  }
  private filled(): Record<string, string[]> {
    return Object.fromEntries(Object.entries(this.labels.byClass()).filter(([, ids]) => ids.length > 0));
  }
  private async teach(classes: Record<string, string[]>): Promise<void> {
    const asking = new AbortController();
    this.asking = asking;
    const passed = this.labels.idsIn(PASSED).length;
    const next = Math.min(BATCH + passed, 100);
    try {
      const taught = await this.api.teach(classes, { risk: this.risk, next }, asking.signal);
      this.taught = taught;
      this.problem = null;
      if (taught.accuracy) {
        const { value, low, high } = taught.accuracy;
        const labels = Object.values(classes).reduce((sum, ids) => sum + ids.length, 0);
        this.curve = grown(this.curve, { labels, value, low, high });
        this.write();
      }
    } catch (error) {
      if (asking.signal.aborted) return;
      this.problem = sentenceOf(error);
    }
    if (this.asking === asking) this.busy = false;
  }

  /** Take over what another window of the same work has done. */
  follow(): () => void {
    const key = keyOfWork(this.api.name, this.classifier);
    const heard = (event: StorageEvent): void => {
      if (event.key === key) this.read();
    };
    addEventListener("storage", heard);
    this.ask();
    return () => {
      removeEventListener("storage", heard);
      clearTimeout(this.timer);
      this.asking?.abort();
    };
  }
  /** Keep the work under the name of its classifier as well. */
  writeAs(classifier: string): void {
    this.write(classifier);
  }

  private did(changed: boolean): boolean {
    if (!changed) return false;
    if (this.active === null || !this.labels.classes.includes(this.active))
      this.active = this.labels.classes[0] ?? null;
    this.version++;
    this.write();
    this.ask();
    return true;
  }
  private read(): void {
    let text: string | null = null;
    try {
      text = localStorage.getItem(keyOfWork(this.api.name, this.classifier));
    } catch {
      this.kept = false;
    }
    const work = workOf(text);
    this.labels = Labels.from(work);
    this.curve = work.curve;
    this.risk = work.risk;
    if (this.active === null || !this.labels.classes.includes(this.active))
      this.active = this.labels.classes[0] ?? null;
    this.version++;
  }
  private write(classifier = this.classifier): void {
    try {
      const work = { ...this.labels.kept(), curve: this.curve, risk: this.risk };
      localStorage.setItem(keyOfWork(this.api.name, classifier), JSON.stringify(work));
      this.kept = true;
    } catch {
      this.kept = false;
    }
  }
}

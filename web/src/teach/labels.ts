/** Which picture is in which class, with every step that led there, so that it can be taken back and done again. */

/** The class of pictures that were passed over: they are asked for no more, and are no part of any class. */
export const PASSED = "";
export const MOST_STEPS = 500;

interface Step {
  classes: readonly [before: readonly string[], after: readonly string[]] | null;
  pictures: readonly (readonly [id: string, before: string | null, after: string | null])[];
}

/** What is kept between visits. */
export interface Kept {
  classes: string[];
  of: [id: string, label: string][];
}

export class Labels {
  classes: readonly string[] = [];
  readonly of = new Map<string, string>();
  private past: Step[] = [];
  private future: Step[] = [];

  static from(kept: Kept): Labels {
    const made = new Labels();
    made.classes = [...new Set(kept.classes)].filter((name) => name !== PASSED);
    const known = new Set(made.classes);
    for (const [id, label] of kept.of) if (known.has(label) || label === PASSED) made.of.set(id, label);
    return made;
  }
  kept(): Kept {
    return { classes: [...this.classes], of: [...this.of] };
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }
  /** Number of pictures that are in a class. */
  get size(): number {
    let found = 0;
    for (const label of this.of.values()) if (label !== PASSED) found++;
    return found;
  }

  /** Put pictures into a class, or out of all with null. False where that changes nothing. */
  put(ids: readonly string[], label: string | null): boolean {
    return this.putEach(ids.map((id) => [id, label]));
  }
  /** As `put`, each picture into a class of its own; classes that are new are made. One step. */
  putEach(pairs: readonly (readonly [id: string, label: string | null])[]): boolean {
    const given = new Set(pairs.map(([, label]) => label).filter((one) => one !== null && one !== PASSED));
    const added = [...given].filter((one) => !this.classes.includes(one as string)) as string[];
    const changed = pairs
      .filter(([id, label]) => (this.of.get(id) ?? null) !== label)
      .map(([id, label]) => [id, this.of.get(id) ?? null, label] as const);
    return this.take({ classes: added.length ? [this.classes, [...this.classes, ...added]] : null, pictures: changed });
  }
  /** False where the name is empty or taken. */
  addClass(given: string): boolean {
    const name = given.trim();
    if (name === PASSED || this.classes.includes(name)) return false;
    return this.take({ classes: [this.classes, [...this.classes, name]], pictures: [] });
  }
  renameClass(before: string, given: string): boolean {
    const name = given.trim();
    if (name === PASSED || !this.classes.includes(before) || this.classes.includes(name)) return false;
    const classes = this.classes.map((one) => (one === before ? name : one));
    return this.take({
      classes: [this.classes, classes],
      pictures: this.idsIn(before).map((id) => [id, before, name]),
    });
  }
  removeClass(name: string): boolean {
    if (!this.classes.includes(name)) return false;
    const classes = this.classes.filter((one) => one !== name);
    return this.take({ classes: [this.classes, classes], pictures: this.idsIn(name).map((id) => [id, name, null]) });
  }
  /** Everything out, as one step. */
  clear(): boolean {
    return this.take({ classes: [this.classes, []], pictures: [...this.of].map(([id, label]) => [id, label, null]) });
  }

  undo(): boolean {
    const step = this.past.pop();
    if (!step) return false;
    this.future.push(step);
    if (step.classes) this.classes = step.classes[0];
    for (const [id, before] of [...step.pictures].reverse()) this.set(id, before);
    return true;
  }
  redo(): boolean {
    const step = this.future.pop();
    if (!step) return false;
    this.past.push(step);
    this.apply(step);
    return true;
  }

  idsIn(label: string): string[] {
    return [...this.of].filter(([, one]) => one === label).map(([id]) => id);
  }
  /** Pictures by class, in the order of the classes; empty classes are there. */
  byClass(): Record<string, string[]> {
    const found: [string, string[]][] = this.classes.map((name) => [name, []]);
    const lists = new Map(found);
    for (const [id, label] of this.of) lists.get(label)?.push(id);
    return Object.fromEntries(found);
  }

  private take(step: Step): boolean {
    if (!step.classes && step.pictures.length === 0) return false;
    this.past.push(step);
    if (this.past.length > MOST_STEPS) this.past.shift();
    this.future = [];
    this.apply(step);
    return true;
  }
  private apply(step: Step): void {
    if (step.classes) this.classes = step.classes[1];
    for (const [id, , after] of step.pictures) this.set(id, after);
  }
  private set(id: string, label: string | null): void {
    if (label === null) this.of.delete(id);
    else this.of.set(id, label);
  }
}

/** One measurement of the accuracy, at so many labelled pictures. */
export interface Measured {
  labels: number;
  value: number;
  low: number;
  high: number;
}

/** The curve with one more measurement: at a number of labels the latest stands, and what came with more labels is gone. */
export function grown(curve: readonly Measured[], point: Measured): Measured[] {
  return [...curve.filter((one) => one.labels < point.labels), point];
}

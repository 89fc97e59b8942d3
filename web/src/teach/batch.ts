/** The pictures that lie before the reader at one time. They stay where they are until all are done, so that no click meets another picture than was meant. */

/** The pictures asked about next, without those that are labelled or passed over. */
export function batchOf<T extends { image_id: string }>(next: readonly T[], of: ReadonlyMap<string, string>): T[] {
  const seen = new Set<string>();
  return next.filter(({ image_id: id }) => !of.has(id) && !seen.has(id) && seen.add(id));
}

/** Where the cursor goes after the picture at `at` was labelled: to the next that has no class, around the end; it stays where all have one. */
export function after(batch: readonly { image_id: string }[], at: number, of: ReadonlyMap<string, string>): number {
  for (let step = 1; step <= batch.length; step++) {
    const place = (at + step) % batch.length;
    if (!of.has(batch[place]!.image_id)) return place;
  }
  return at;
}

export const allDone = (batch: readonly { image_id: string }[], of: ReadonlyMap<string, string>): boolean =>
  batch.every(({ image_id: id }) => of.has(id));

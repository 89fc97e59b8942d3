/** Sets of pictures, as ascending indexes. */

export function both(one: Uint32Array | null, other: Uint32Array | null): Uint32Array | null {
  if (one === null || other === null) return one ?? other;
  const found = new Uint32Array(Math.min(one.length, other.length));
  let n = 0;
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    const a = one[i]!;
    const b = other[j]!;
    if (a === b) found[n++] = a;
    if (a <= b) i++;
    if (b <= a) j++;
  }
  return found.slice(0, n);
}

/** Where a value stands in a set, or would. */
export function lowest(set: Uint32Array, value: number): number {
  let low = 0;
  let high = set.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (set[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const holds = (set: Uint32Array, value: number): boolean => set[lowest(set, value)] === value;

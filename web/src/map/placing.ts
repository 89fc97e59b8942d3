/** Things on the screen that must not cover each other, the most important placed first. */

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

const CELL = 64;

/** Boxes already there; a further one is taken only where it meets none of them. */
export class Taken {
  private readonly cells = new Map<number, Box[]>();

  /** Take the place, or say that it is not free. */
  take(box: Box): boolean {
    const cells = [...this.under(box)];
    if (cells.some((cell) => this.cells.get(cell)?.some((other) => meet(box, other)))) return false;
    for (const cell of cells) {
      const there = this.cells.get(cell);
      if (there) there.push(box);
      else this.cells.set(cell, [box]);
    }
    return true;
  }

  private *under(box: Box): Generator<number> {
    for (let row = Math.floor(box.top / CELL); row <= Math.floor((box.top + box.height) / CELL); row++)
      for (let column = Math.floor(box.left / CELL); column <= Math.floor((box.left + box.width) / CELL); column++)
        yield row * 4096 + column;
  }
}

export const meet = (a: Box, b: Box): boolean =>
  a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;

/** The texts that can stand around their points, in the order given; each at its point, and wholly on the screen. */
export function placed<T extends { x: number; y: number }>(
  things: readonly T[],
  screen: { width: number; height: number },
  where: (thing: T) => readonly [number, number],
  wide: (thing: T) => number,
  high: number,
  most: number,
): (T & Box)[] {
  const taken = new Taken();
  const found: (T & Box)[] = [];
  for (const thing of things) {
    if (found.length >= most) break;
    const [x, y] = where(thing);
    const width = wide(thing);
    const box = { left: x - width / 2, top: y - high / 2, width, height: high };
    if (box.left < 0 || box.top < 0 || box.left + width > screen.width || box.top + high > screen.height) continue;
    if (taken.take(box)) found.push({ ...thing, ...box });
  }
  return found;
}

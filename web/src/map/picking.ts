/** Points near a place of the map, by a tree that is built when it is first needed. */

import KDBush from "kdbush";
import type { Bounds } from "./view";

/** Above this many the tree is not built before somebody points at the map. */
const EAGER = 200_000;

export class Picking {
  private tree: KDBush | null = null;
  private readonly waits: number | null = null;

  constructor(private readonly points: Float32Array) {
    if (points.length / 2 <= EAGER) this.waits = whenIdle(() => this.built());
  }

  /** The point nearest to a place, of those that `passes` lets through, or null. */
  nearest(x: number, y: number, reach: number, passes: (index: number) => boolean): number | null {
    let found: number | null = null;
    let least = Infinity;
    for (const index of this.built().within(x, y, reach)) {
      const far = (this.points[2 * index]! - x) ** 2 + (this.points[2 * index + 1]! - y) ** 2;
      if (far < least && passes(index)) {
        found = index;
        least = far;
      }
    }
    return found;
  }

  /** The points in a rectangle, in the map's order. */
  range(bounds: Bounds): number[] {
    return this.built()
      .range(bounds.x[0], bounds.y[0], bounds.x[1], bounds.y[1])
      .sort((a, b) => a - b);
  }

  end(): void {
    if (this.waits !== null && "cancelIdleCallback" in globalThis) cancelIdleCallback(this.waits);
  }

  private built(): KDBush {
    if (this.tree) return this.tree;
    const n = this.points.length / 2;
    const tree = new KDBush(n, 64, Float32Array);
    for (let i = 0; i < n; i++) tree.add(this.points[2 * i]!, this.points[2 * i + 1]!);
    return (this.tree = tree.finish());
  }
}

function whenIdle(what: () => void): number | null {
  if ("requestIdleCallback" in globalThis) return requestIdleCallback(what, { timeout: 3000 });
  setTimeout(what, 300);
  return null;
}

/** By what the points are coloured: the codes, the legend and the names on the map. */

import type { Legend, MapLabel, MapReady, StoreApi } from "../api";
import { crowding } from "./density";

/** The choice that is no column: how many pictures lie around. */
export const DENSITY = "~density";
/** The choice of one colour for all. */
export const PLAIN = "~plain";

export class Colouring {
  by: string = $state(PLAIN);
  codes: Uint16Array | null = $state.raw(null);
  legend: Legend | null = $state.raw(null);
  labels: MapLabel[] = $state.raw([]);
  private turn = 0;

  /** The column that is meant where the address names none, or one that there is not. */
  static choice(map: MapReady, by: string | null): string {
    if (by === DENSITY || by === PLAIN || map.columns.some((one) => one.name === by)) return by as string;
    return map.color ?? PLAIN;
  }

  async choose(api: StoreApi, map: MapReady, points: Float32Array, by: string): Promise<void> {
    const turn = ++this.turn;
    if (by === DENSITY || by === PLAIN) {
      const counts = by === DENSITY ? crowding(points, map) : null;
      this.put(by, counts, counts && { by, kind: "number", values: [], without: 0, least: null, most: null });
      this.labels = await this.named(api, map, map.color);
      return;
    }
    const [codes, legend] = await Promise.all([api.codes(map.key, by), api.legend(map.key, by)]);
    if (turn !== this.turn) return;
    this.put(by, codes, legend);
    const labels = await this.named(api, map, legend.kind === "category" ? by : map.color);
    if (turn === this.turn) this.labels = labels;
  }

  private put(by: string, codes: Uint16Array | null, legend: Legend | null): void {
    this.by = by;
    this.codes = codes;
    this.legend = legend;
  }

  private async named(api: StoreApi, map: MapReady, by: string | null): Promise<MapLabel[]> {
    return by === null ? [] : api.labels(map.key, by);
  }
}

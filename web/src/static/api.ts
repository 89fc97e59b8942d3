/** The same questions as api.ts, answered from the data in or beside the page. What needs a service is refused in one sentence. */

import type {
  Health,
  Legend,
  Limits,
  MapLabel,
  MapReady,
  MapRow,
  Row,
  StoreDetails,
  StoreSummary,
  TaxonFound,
  TreeAnswer,
} from "../answers";
import type { StoreApi as Service } from "../api";
import { partsOf } from "../map/filters";
import { NO_VALUE } from "../map/palette";
import { both } from "../map/sets";
import { Refusal } from "../refusal";
import { lineageOf, nameOf, textOf } from "../state/names";
import { S } from "../strings";
import { index, json, part, Pictures, type About, type Index } from "./parts";
import { best, folded, indexesWhere, Lineages, type Columns } from "./taxa";

export type * from "../answers";
export { Refusal };
export const alone = true;

const held: Promise<Index> = index();
// Who asks hears of it; that nobody may have asked yet is no fault.
held.catch(() => {});

export const health = async (): Promise<Health> => ({
  ready: true,
  version: (await held).made,
  encoders: [],
  needs_token: false,
  read_only: true,
});
export const stores = async (): Promise<StoreSummary[]> =>
  (await held).maps.map((one) => ({ name: one.name, images: one.map.n, encoder: one.map.encoder }));
const refused = (): Promise<never> => Promise.reject(new Refusal(501, S.alone.needsService));
export const enter = refused;
export const work = async (): Promise<never[]> => [];

/** What no part of this page asks for. */
type Never =
  | "saveClassifier"
  | "classifierPart"
  | "deleteClassifier"
  | "teach"
  | "teachCodes"
  | "audit"
  | "decide"
  | "log"
  | "undo"
  | "probes";

/** One map of the page. */
export class StoreApi implements Omit<Service, Never> {
  private readonly loaded = new Map<string, Promise<unknown>>();
  private readonly indexOf = new Map<string, number>();
  private pictures: Pictures | null = null;

  constructor(readonly name: string) {}

  private async here(): Promise<{ at: number; about: About }> {
    const { maps } = await held;
    const at = maps.findIndex((one) => one.name === this.name);
    return { at, about: maps[at]! };
  }
  private once<T>(name: string, make: () => Promise<T>): Promise<T> {
    if (!this.loaded.has(name)) this.loaded.set(name, make());
    return this.loaded.get(name) as Promise<T>;
  }
  private json = <T>(name: string): Promise<T> => this.once(name, async () => json<T>((await this.here()).at, name));
  private bytes = (name: string): Promise<ArrayBuffer> =>
    this.once(name, async () => part((await this.here()).at, name));
  private lineages = (): Promise<Lineages> =>
    this.once("taxa", async () => {
      const [columns, of] = await Promise.all([this.json<Columns>("lineages"), this.bytes("lineage_of")]);
      return new Lineages(columns, new Uint32Array(of));
    });
  private column = async (by: string): Promise<number> =>
    (await this.here()).about.map.columns.findIndex((one) => one.name === by);

  details = async (): Promise<StoreDetails> => (await this.here()).about.details;
  map = async (): Promise<MapReady> => {
    const { at, about } = await this.here();
    this.pictures = new Pictures(at, about.pictures, new Uint32Array(await this.bytes("sizes")));
    return { ...about.map, notes: [...about.map.notes, about.pictures.told] };
  };
  points = async (): Promise<Float32Array> => new Float32Array(await this.bytes("points"));
  codes = async (_key: string, by: string): Promise<Uint16Array> =>
    new Uint16Array(await this.bytes(`codes/${await this.column(by)}`));
  legend = async (_key: string, by: string): Promise<Legend> => this.json(`legend/${await this.column(by)}`);
  labels = async (_key: string, by: string): Promise<MapLabel[]> => this.json(`labels/${await this.column(by)}`);

  private async wholeRow(index: number): Promise<Row> {
    const { about } = await this.here();
    const at = Math.floor(index / about.rows);
    const columns = await this.json<Record<string, unknown[]>>(`rows/${at}`);
    const place = index - at * about.rows;
    const row = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[place] ?? null]));
    this.indexOf.set(String(row["image_id"]), index);
    return row;
  }
  mapRows = (_key: string, indexes: readonly number[]): Promise<MapRow[]> =>
    Promise.all(indexes.map(async (index) => cardOf(index, await this.wholeRow(index))));
  indexes = async (_key: string, ids: readonly string[]): Promise<(number | null)[]> => {
    const { about } = await this.here();
    const found: (number | null)[] = [];
    for (const id of ids) {
      for (let at = 0; !this.indexOf.has(id) && at * about.rows < about.map.n; at++) {
        const { image_id } = await this.json<{ image_id: string[] }>(`rows/${at}`);
        const place = image_id.indexOf(id);
        if (place >= 0) this.indexOf.set(id, at * about.rows + place);
      }
      found.push(this.indexOf.get(id) ?? null);
    }
    return found;
  };
  row = async (id: string): Promise<Row> => {
    const [index] = await this.indexes("", [id]);
    if (index === null || index === undefined) throw new Refusal(404, S.alone.noPicture(id));
    return this.wholeRow(index);
  };
  hasThumbnail = (index: number): boolean => this.pictures?.has(index) ?? false;
  hasThumbnails = (): boolean => (this.pictures?.count ?? 0) > 0;
  thumbnail = (id: string): string => this.pictures?.of(this.indexOf.get(id) ?? -1) ?? "";
  image = this.thumbnail;

  selected = async (_key: string, limits: Limits): Promise<Uint32Array> => {
    let found: Uint32Array | null = limits.within?.length ? (await this.lineages()).selected(limits.within) : null;
    for (const filter of limits.where ?? []) found = both(found, await this.passing(filter));
    return found ?? Uint32Array.from({ length: (await this.here()).about.map.n }, (_, i) => i);
  };
  /** Those that pass a filter by a value of a column that the map has as colours. */
  private async passing(filter: string): Promise<Uint32Array> {
    const asked = partsOf(filter);
    const { about } = await this.here();
    const kind = about.map.columns.find((one) => one.name === asked?.column)?.kind;
    if (!asked || !kind || kind === "number" || !["=", "!="].includes(asked.operator))
      throw new Refusal(422, S.alone.noFilter(filter));
    const [codes, legend] = await Promise.all([this.codes("", asked.column), this.legend("", asked.column)]);
    const code = legend.values.find((one) => one.value === asked.value)?.code;
    const passes =
      asked.operator === "="
        ? (index: number): boolean => codes[index] === code
        : (index: number): boolean => codes[index] !== code && codes[index] !== NO_VALUE;
    return Uint32Array.from(indexesWhere(codes.length, passes));
  }
  tree = async (under: string | null, rank?: string | null, limit = 1000, offset = 0): Promise<TreeAnswer> => {
    const lineages = await this.lineages();
    return lineages.children(lineages.counts(), under, rank, limit, offset);
  };
  treeOf = async (
    _key: string,
    indexes: Uint32Array,
    under: string | null,
    rank?: string | null,
    limit = 1000,
    offset = 0,
  ): Promise<TreeAnswer> => {
    const lineages = await this.lineages();
    return lineages.children(lineages.counts(indexes), under, rank, limit, offset);
  };
  taxa = async (q: string, limit = 20): Promise<TaxonFound[]> => {
    const found = (await this.lineages()).find(q, limit);
    const { about } = await this.here();
    const isLabelled = about.map.columns.some((one) => one.name === "label");
    if (found.length || !isLabelled || about.map.columns.some((one) => one.kind === "rank")) return found;
    const names = (await this.legend("", "label")).values.map((one) => ({
      taxon: one.value,
      name: one.name,
      rank: "label",
      common_name: null,
      images: one.images,
      latin: folded(one.name),
      folk: "",
      depth: 0,
    }));
    return best(names, folded(q.trim()), limit);
  };
  vectors = async (): Promise<{ name: string | null; encoder: string }[]> => [];
  classifiers = async (): Promise<never[]> => [];

  rows = refused;
  search = refused;
  searchImages = refused;
  predict = refused;
  predictImage = refused;
  remakeMap = refused;
  place = refused;
  match = refused;
}

const cardOf = (index: number, row: Row): MapRow => ({
  index,
  image_id: String(row["image_id"]),
  uri: String(row["uri"] ?? ""),
  label: textOf(row["label"]),
  lineage: lineageOf(row).join(" > ") || null,
  common_name: textOf(row["common_name"]),
  species: textOf(row["species"]),
  name: nameOf(row),
});

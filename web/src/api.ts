/** The service's API, typed: what docs/serve.md describes. Every call throws `Refusal` with the service's own sentence. */

import type {
  AuditAnswer,
  Classifier,
  Decided,
  Decision,
  Health,
  Job,
  Legend,
  Limits,
  LogEntry,
  MapLabel,
  MapRow,
  MapState,
  Placed,
  Predicted,
  ProbesAnswer,
  Query,
  Row,
  SearchAnswer,
  StoreDetails,
  StoreSummary,
  Taught,
  TaxonFound,
  TreeAnswer,
} from "./answers";
import { Refusal } from "./refusal";

export type * from "./answers";

export { Refusal };

/** Whether the page stands alone: no service answers, so that it neither searches nor changes anything. */
export const alone = false;

type Value = string | number | boolean | null | undefined | readonly (string | number)[];

/** A query string; lists are repeated, what is null or undefined is left out. */
export function queryOf(values: Record<string, Value>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) found.append(name, String(one));
  }
  const text = found.toString();
  return text && `?${text}`;
}

const ROOT = "/api/v1";

async function call(path: string, options: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(ROOT + path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "");
  }
  if (!answer.ok) {
    const told: unknown = await answer.json().catch(() => null);
    const sentence =
      told !== null && typeof told === "object" && "error" in told ? String(told.error) : answer.statusText;
    throw new Refusal(answer.status, sentence);
  }
  return answer;
}

const got = async <T>(path: string, signal?: AbortSignal): Promise<T> =>
  (await call(path, { signal })).json() as Promise<T>;
const bytes = async (path: string, signal?: AbortSignal): Promise<ArrayBuffer> =>
  (await call(path, { signal })).arrayBuffer();

/** A POST; `writes` marks what changes a store or a file. */
async function posted<T>(
  path: string,
  body: unknown,
  { writes = false, signal }: { writes?: boolean; signal?: AbortSignal } = {},
): Promise<T> {
  const form = body instanceof FormData;
  const headers: Record<string, string> = writes ? { "X-Cladescope": "1" } : {};
  const raw = body instanceof Uint32Array;
  if (raw) headers["Content-Type"] = "application/octet-stream";
  else if (!form) headers["Content-Type"] = "application/json";
  const sent = form ? body : raw ? (body as Uint32Array<ArrayBuffer>) : JSON.stringify(body ?? {});
  const answer = await call(path, { method: "POST", headers, body: sent, signal });
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

function form(files: readonly Blob[]): FormData {
  const found = new FormData();
  for (const file of files) found.append("file", file);
  return found;
}

const part = (text: string): string => encodeURIComponent(text);
/** Ids may hold slashes, which the service takes as they are. */
const idPart = (id: string): string => id.split("/").map(encodeURIComponent).join("/");

export const health = (): Promise<Health> => got("/health");
export const enter = (token: string): Promise<void> => posted("/session", { token });
export const work = async (): Promise<Job[]> => (await got<{ jobs: Job[] }>("/work")).jobs;
export const stores = async (): Promise<StoreSummary[]> => (await got<{ stores: StoreSummary[] }>("/stores")).stores;

/** One store's part of the API. */
export class StoreApi {
  private readonly root: string;
  /** A store, and the vectors that its maps are of by name; null for its own. */
  constructor(
    readonly name: string,
    private readonly vectorsName: string | null = null,
  ) {
    this.root = `/stores/${part(name)}`;
  }

  details = (): Promise<StoreDetails> => got(this.root);
  row = (id: string): Promise<Row> => got(`${this.root}/rows/${idPart(id)}`);
  rows = (
    limits: Limits,
    cursor: string | null,
    limit = 100,
    signal?: AbortSignal,
  ): Promise<{ total: number; rows: Row[]; next: string | null }> =>
    got(`${this.root}/rows${queryOf({ ...limits, cursor, limit })}`, signal);
  thumbnail = (id: string, side: 128 | 256 | 512 = 256): string =>
    `${ROOT}${this.root}/thumbnails/${idPart(id)}?side=${side}`;
  /** Whether a picture of the map has a small one. */
  hasThumbnail = (_index: number): boolean => true;
  hasThumbnails = (): boolean => true;
  image = (id: string): string => `${ROOT}${this.root}/images/${idPart(id)}`;
  tree = (under: string | null, rank?: string | null, limit = 1000, offset = 0): Promise<TreeAnswer> =>
    got(`${this.root}/tree${queryOf({ under, rank, limit, offset })}`);
  taxa = async (q: string, limit = 20, signal?: AbortSignal): Promise<TaxonFound[]> =>
    (await got<{ taxa: TaxonFound[] }>(`${this.root}/taxa${queryOf({ q, limit })}`, signal)).taxa;
  vectors = async (): Promise<{ name: string | null; encoder: string }[]> =>
    (await got<{ vectors: { name: string | null; encoder: string }[] }>(`${this.root}/vectors`)).vectors;

  search = (query: Query, signal?: AbortSignal): Promise<SearchAnswer> =>
    got(`${this.root}/search${queryOf({ ...query })}`, signal);
  searchImages = (files: readonly Blob[], query: Query, signal?: AbortSignal): Promise<SearchAnswer> =>
    posted(`${this.root}/search/image${queryOf({ ...query })}`, form(files), { signal });
  predict = (
    ids: readonly string[],
    given: { classifier?: string; risk?: number; rank?: string; k?: number } = {},
    signal?: AbortSignal,
  ): Promise<Predicted> => posted(`${this.root}/predict`, { ids, ...given }, { signal });
  predictImage = (
    file: Blob,
    given: { classifier?: string; risk?: number; rank?: string; k?: number } = {},
  ): Promise<Predicted> => posted(`${this.root}/predict/image${queryOf(given)}`, form([file]));

  /** The address of something about the map. */
  private onMap(path: string, given: Record<string, Value> = {}): string {
    return `${this.root}${path}${queryOf({ ...given, vectors: this.vectorsName })}`;
  }
  map = (): Promise<MapState> => got(this.onMap("/map"));
  remakeMap = (): Promise<MapState> => posted(this.onMap("/map/remake"), {}, { writes: true });
  points = async (key: string): Promise<Float32Array> =>
    new Float32Array(await bytes(this.onMap("/map/points", { key })));
  codes = async (key: string, by: string): Promise<Uint16Array> =>
    new Uint16Array(await bytes(this.onMap("/map/codes", { key, by })));
  legend = (key: string, by: string): Promise<Legend> => got(this.onMap("/map/legend", { key, by }));
  labels = async (key: string, by: string): Promise<MapLabel[]> =>
    (await got<{ labels: MapLabel[] }>(this.onMap("/map/labels", { key, by }))).labels;
  mapRows = async (key: string, index: readonly number[], signal?: AbortSignal): Promise<MapRow[]> =>
    (await got<{ rows: MapRow[] }>(this.onMap("/map/rows", { key, index }), signal)).rows;
  selected = async (key: string, limits: Limits, signal?: AbortSignal): Promise<Uint32Array> =>
    new Uint32Array(await bytes(this.onMap("/map/selected", { key, ...limits }), signal));
  indexes = async (key: string, ids: readonly string[]): Promise<(number | null)[]> =>
    (await posted<{ indexes: (number | null)[] }>(this.onMap("/map/indexes", { key }), { ids })).indexes;
  treeOf = (
    key: string,
    indexes: Uint32Array,
    under: string | null,
    rank?: string | null,
    limit = 1000,
    offset = 0,
  ): Promise<TreeAnswer> => posted(this.onMap("/map/tree", { key, under, rank, limit, offset }), indexes);
  place = (key: string, file: Blob): Promise<Placed> => posted(this.onMap("/map/place/image", { key }), form([file]));
  match = async (key: string, to: string, toKey: string, toVectors: string | null): Promise<Uint32Array> =>
    new Uint32Array(await bytes(this.onMap("/map/match", { key, to, to_key: toKey, to_vectors: toVectors })));

  classifiers = async (): Promise<Classifier[]> =>
    (await got<{ classifiers: Classifier[] }>(`${this.root}/classifiers`)).classifiers;
  saveClassifier = (given: { name: string; labels: Record<string, string[]>; method?: string }): Promise<Classifier> =>
    posted(`${this.root}/classifiers`, given, { writes: true });
  classifierPart = (name: string, which: "file" | "labels" | "report"): string =>
    `${ROOT}${this.root}/classifiers/${part(name)}/${which}`;
  deleteClassifier = async (name: string): Promise<void> => {
    await call(`${this.root}/classifiers/${part(name)}`, { method: "DELETE", headers: { "X-Cladescope": "1" } });
  };
  teach = (
    classes: Record<string, string[]>,
    given: { risk?: number; next?: number; method?: string } = {},
    signal?: AbortSignal,
  ): Promise<Taught> => posted(`${this.root}/teach`, { classes, ...given }, { signal });
  teachCodes = async (
    key: string,
    classes: Record<string, string[]>,
    given: { risk?: number } = {},
  ): Promise<Uint16Array> => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ classes, ...given });
    return new Uint16Array(
      await (await call(this.onMap("/teach/codes", { key }), { method: "POST", headers, body })).arrayBuffer(),
    );
  };
  audit = (): Promise<AuditAnswer> => got(`${this.root}/audit`);
  decide = (decisions: readonly Decision[]): Promise<Decided> =>
    posted(`${this.root}/decisions`, { decisions }, { writes: true });
  log = async (): Promise<LogEntry[]> => (await got<{ entries: LogEntry[] }>(`${this.root}/decisions`)).entries;
  undo = (entry: number): Promise<{ restored: number; notes: string[] }> =>
    posted(`${this.root}/decisions/${entry}/undo`, {}, { writes: true });
  probes = (): Promise<ProbesAnswer> => got(this.onMap("/probes"));
}

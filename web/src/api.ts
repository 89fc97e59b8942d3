/** The service's API, typed: what docs/serve.md describes. Every call throws `Refusal` with the service's own sentence. */

export interface EncoderState {
  name: string;
  state: "loading" | "loaded" | "failed";
  problem: string | null;
}
export interface Health {
  ready: boolean;
  version: string;
  encoders: EncoderState[];
}
export interface StoreSummary {
  name: string;
  images: number | null;
  encoder: string;
}
export interface StoreDetails {
  name: string;
  version: number;
  images: number;
  failures: number;
  ranks: Record<string, { taxa: number; images: number }>;
  columns: string[];
  encoder: EncoderState;
  dim: number;
  has_text: boolean;
  index: string | null;
}
export interface Hit {
  position: number;
  score: number;
  image_id: string;
  uri: string;
  lineage: string | null;
  common_name: string | null;
  [column: string]: unknown;
}
export interface SearchAnswer {
  method: string;
  notes: string[];
  kin: { of_query: number; of_hits: number; left_out: number };
  hits: Hit[];
  consensus: {
    taxon: string | null;
    rank: string | null;
    label: string | null;
    share: number;
    votes: { taxon: string; name: string; share: number }[];
  };
}
export interface Child {
  taxon: string;
  name: string;
  rank: string;
  common_name: string | null;
  images: number;
  species: number;
  has_children: boolean;
}
export interface TreeAnswer {
  under: string | null;
  rank: string | null;
  images: number;
  without_rank: number;
  n_children: number;
  children: Child[];
}
/** A picture's columns, by name. */
export type Row = Record<string, unknown>;
export interface Rows {
  total: number;
  rows: Row[];
  next: string | null;
}

/** What keeps rows: clades (any of them) and filters (all of them). */
export interface Limits {
  within?: string[];
  where?: string[];
}
export interface Query extends Limits {
  text?: string | null;
  id?: string[];
  taxon?: string[];
  k?: number;
}

/** The service said no. `status` is 0 where it did not answer at all. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

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
const part = (text: string): string => encodeURIComponent(text);
/** Ids may hold slashes, which the service takes as they are. */
const idPart = (id: string): string => id.split("/").map(encodeURIComponent).join("/");

export const health = (): Promise<Health> => got("/health");
/** Have a cookie stand for the token from now on. */
export const enter = async (token: string): Promise<void> => {
  await call("/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
};
export const stores = async (): Promise<StoreSummary[]> => (await got<{ stores: StoreSummary[] }>("/stores")).stores;

/** One store's part of the API. */
export class StoreApi {
  private readonly root: string;
  constructor(readonly name: string) {
    this.root = `/stores/${part(name)}`;
  }

  details = (): Promise<StoreDetails> => got(this.root);
  row = (id: string): Promise<Row> => got(`${this.root}/rows/${idPart(id)}`);
  rows = (limits: Limits, cursor: string | null, signal?: AbortSignal): Promise<Rows> =>
    got(`${this.root}/rows${queryOf({ ...limits, cursor, limit: 100 })}`, signal);
  thumbnail = (id: string, side: 128 | 256 | 512 = 256): string =>
    `${ROOT}${this.root}/thumbnails/${idPart(id)}?side=${side}`;
  image = (id: string): string => `${ROOT}${this.root}/images/${idPart(id)}`;
  tree = (under: string | null): Promise<TreeAnswer> => got(`${this.root}/tree${queryOf({ under })}`);
  search = (query: Query, signal?: AbortSignal): Promise<SearchAnswer> =>
    got(`${this.root}/search${queryOf({ ...query })}`, signal);
  searchImage = async (file: Blob, query: Query, signal?: AbortSignal): Promise<SearchAnswer> => {
    const options = { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" }, signal };
    return (await call(`${this.root}/search/image${queryOf({ ...query })}`, options)).json() as Promise<SearchAnswer>;
  };
}

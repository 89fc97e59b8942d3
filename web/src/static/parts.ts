/** Where the page's data lies: inside the page itself, or in files beside it. Analysis/maps/page_data.py writes both. */

import { Refusal } from "../refusal";
import { S } from "../strings";

export interface About {
  name: string;
  details: import("../answers").StoreDetails;
  map: import("../answers").MapReady;
  /** Rows in a part. */
  rows: number;
  /** Small pictures: within the page so many to a part, or as files. */
  pictures: { told: string; count: number; inside: number | null };
}
export interface Index {
  format: number;
  made: string;
  maps: About[];
}

const FORMAT = 1;
const FOLDER = "data/";
const inside = (name: string): string | null => document.getElementById(`cladescope-${name}`)?.textContent ?? null;

/** The bytes of a text in base64. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

async function fetched(name: string): Promise<ArrayBuffer> {
  let answer: Response;
  try {
    answer = await fetch(FOLDER + name);
  } catch {
    throw new Refusal(503, S.alone.notServed);
  }
  if (!answer.ok) throw new Refusal(answer.status, S.alone.missing(FOLDER + name));
  return answer.arrayBuffer();
}

const isInside = (): boolean => inside("index") !== null;

/** What there is, which is read first. */
export async function index(): Promise<Index> {
  const text = inside("index") ?? new TextDecoder().decode(await fetched("index.json"));
  const found = JSON.parse(text) as Index;
  if (found.format !== FORMAT) throw new Refusal(400, S.alone.otherFormat);
  return found;
}

/** One part of a map, unpacked. */
export async function part(map: number, name: string): Promise<ArrayBuffer> {
  const text = isInside() ? inside(`${map}/${name}`) : null;
  if (isInside() && text === null) throw new Refusal(404, S.alone.missing(name));
  const packed = text === null ? await fetched(`${map}/${name}.bin`) : bytesOf(text);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

export const json = async <T>(map: number, name: string): Promise<T> =>
  JSON.parse(new TextDecoder().decode(await part(map, name))) as T;

/** Where the small picture of an index is; "" where there is none. */
export class Pictures {
  private readonly urls = new Map<number, string>();
  private readonly packs = new Map<number, { bytes: Uint8Array<ArrayBuffer>; ends: Uint32Array }>();

  /** `sizes` is 0 for a picture that has none. */
  constructor(
    private readonly map: number,
    private readonly about: About["pictures"],
    private readonly sizes: Uint32Array,
  ) {}

  get count(): number {
    return this.about.count;
  }

  has = (index: number): boolean => (this.sizes[index] ?? 0) > 0;

  of(index: number): string {
    if (!this.has(index)) return "";
    if (this.about.inside === null) return `pictures/${this.map}/${Math.floor(index / 1000)}/${index}.jpg`;
    const known = this.urls.get(index);
    if (known) return known;
    const made = URL.createObjectURL(new Blob([this.bytes(index, this.about.inside)], { type: "image/jpeg" }));
    this.urls.set(index, made);
    return made;
  }

  private bytes(index: number, many: number): Uint8Array<ArrayBuffer> {
    const at = Math.floor(index / many);
    let pack = this.packs.get(at);
    if (!pack) {
      const ends = new Uint32Array(many + 1);
      for (let i = 0; i < many; i++) ends[i + 1] = ends[i]! + (this.sizes[at * many + i] ?? 0);
      pack = { bytes: bytesOf(inside(`${this.map}/pictures/${at}`) ?? ""), ends };
      this.packs.set(at, pack);
    }
    const place = index - at * many;
    return pack.bytes.slice(pack.ends[place], pack.ends[place + 1]);
  }
}

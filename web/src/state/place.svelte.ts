/** Where the reader is, all of it in the address, so that a link or a reload shows the same. */

export interface Place {
  store: string | null;
  within: string[];
  where: string[];
  /** Words that are searched for. */
  text: string | null;
  /** Pictures of which more like them are searched for. */
  like: string[];
  /** The picture shown in full. */
  open: string | null;
}

const LISTS = ["within", "where", "like"] as const;
const SINGLE = ["store", "text", "open"] as const;

export function placeOf(query: string): Place {
  const given = new URLSearchParams(query);
  const single = Object.fromEntries(SINGLE.map((name) => [name, given.get(name) || null]));
  const lists = Object.fromEntries(LISTS.map((name) => [name, given.getAll(name)]));
  return { ...single, ...lists } as unknown as Place;
}

export function queryOfPlace(place: Place): string {
  const found = new URLSearchParams();
  for (const name of SINGLE) if (place[name]) found.set(name, place[name]);
  for (const name of LISTS) for (const one of place[name]) found.append(name, one);
  const text = found.toString();
  return text && `?${text}`;
}

/** The place now; change it by `go`, which writes the address. */
export const place: Place = $state(placeOf(typeof location === "undefined" ? "" : location.search));

/** Go to another place. */
export function go(change: Partial<Place>): void {
  Object.assign(place, change);
  history.pushState(null, "", location.pathname + queryOfPlace(place));
}

export function followHistory(): void {
  addEventListener("popstate", () => Object.assign(place, placeOf(location.search)));
}

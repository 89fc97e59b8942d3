/** Where the reader is, all of it in the address, so that a link or a reload shows the same. */

export const VIEWS = ["explore", "teach", "care", "compare"] as const;
export type View = (typeof VIEWS)[number];

export interface Place {
  store: string | null;
  view: View;
  /** The column by which the map is coloured; null for the map's own choice. */
  by: string | null;
  /** The part of the map that is looked at; null for all of it. */
  at: string | null;
  within: string[];
  where: string[];
  /** Words that are searched for. */
  text: string | null;
  like: string[];
  unlike: string[];
  /** The picture shown in full. */
  open: string | null;
  classifier: string | null;
  /** What is compared with: a store, or further vectors of this one as `:name`. */
  other: string | null;
  list: string | null;
}

const LISTS = ["within", "where", "like", "unlike"] as const;
const SINGLE = ["store", "by", "at", "text", "open", "classifier", "other", "list"] as const;

export function placeOf(query: string): Place {
  const given = new URLSearchParams(query);
  const view = given.get("view");
  return {
    view: VIEWS.find((one) => one === view) ?? "explore",
    ...(Object.fromEntries(SINGLE.map((name) => [name, given.get(name) || null])) as Pick<
      Place,
      (typeof SINGLE)[number]
    >),
    ...(Object.fromEntries(LISTS.map((name) => [name, given.getAll(name)])) as Pick<Place, (typeof LISTS)[number]>),
  };
}

export function queryOfPlace(place: Place): string {
  const found = new URLSearchParams();
  for (const name of SINGLE) if (place[name]) found.set(name, place[name]);
  if (place.view !== "explore") found.set("view", place.view);
  for (const name of LISTS) for (const one of place[name]) found.append(name, one);
  const text = found.toString();
  return text && `?${text}`;
}

/** The place now; change it by `go`, which writes the address. */
export const place: Place = $state(placeOf(typeof location === "undefined" ? "" : location.search));

/** Go to another place. `keep` replaces the entry of the history, for what is adjusted rather than visited. */
export function go(change: Partial<Place>, keep = false): void {
  Object.assign(place, change);
  // A page within another has no address of its own.
  if (location.protocol === "about:") return;
  const address = location.pathname + queryOfPlace(place);
  if (keep) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}

export function followHistory(): void {
  addEventListener("popstate", () => Object.assign(place, placeOf(location.search)));
}

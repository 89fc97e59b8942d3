/** What the service is asked and what it answers: the types of docs/serve.md. */

export interface EncoderState {
  name: string;
  state: "loading" | "loaded" | "failed";
  problem: string | null;
}
export interface Health {
  ready: boolean;
  version: string;
  encoders: EncoderState[];
  needs_token: boolean;
  read_only: boolean;
}
export interface Job {
  id: string;
  kind: "embed" | "map" | "audit" | "probes";
  store: string;
  state: "running" | "done" | "failed";
  done: number | null;
  total: number | null;
  told: string;
  problem: string | null;
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
export interface TaxonFound {
  taxon: string;
  name: string;
  rank: string;
  common_name: string | null;
  images: number;
}
export interface MapColumn {
  name: string;
  kind: "rank" | "category" | "number";
  n_values: number;
  n_given: number;
}
export interface MapReady {
  state: "ready";
  key: string;
  n: number;
  version: number;
  method: string;
  encoder: string;
  notes: string[];
  trustworthiness: { value: number; standard_error: number } | null;
  columns: MapColumn[];
  color: string | null;
  x: [number, number];
  y: [number, number];
  stale: boolean;
}
export type MapState = MapReady | { state: "making"; done: number | null } | { state: "failed"; problem: string };
export interface LegendValue {
  code: number;
  value: string;
  name: string;
  common_name: string | null;
  images: number;
  color: string;
  dark: string;
  named: boolean;
}
export interface Legend {
  by: string;
  kind: "category" | "number";
  values: LegendValue[];
  without: number;
  least: number | null;
  most: number | null;
}
export interface MapLabel {
  text: string;
  common_name: string | null;
  x: number;
  y: number;
  images: number;
}
/** A picture's columns, by name. */
export type Row = Record<string, unknown>;
/** A picture on the map, by its place in the map's order. */
export type MapRow = {
  index: number;
  image_id: string;
  uri: string;
  label: string | null;
  lineage: string | null;
  common_name: string | null;
  species: string | null;
  name: string | null;
};
export interface Placed {
  x: number;
  y: number;
  nearest: { image_id: string; index: number | null; score: number }[];
}
export interface Answer {
  image_id: string | null;
  name: string | null;
  taxon: string | null;
  rank: string | null;
  score: number | null;
  verdict: string;
  alternatives: { name: string; taxon: string | null; score: number }[];
}
export interface Predicted {
  answers: Answer[];
  notes: string[];
  risk: number | null;
  method: string;
}
export interface Classifier {
  name: string;
  rank: string | null;
  method: string;
  classes: number;
  images: number;
  accuracy: number | null;
  interval: [number, number] | null;
  made: string;
  said?: string[];
}
export interface Taught {
  classes: { label: string; images: number }[];
  accuracy: { value: number; low: number; high: number; asked: number } | null;
  said: string[];
  /** Those in doubt; while there is no classifier yet, typical ones without a label. */
  next: {
    image_id: string;
    label: string | null;
    score: number | null;
    second: string | null;
    second_score: number | null;
  }[];
  counts: { label: string; images: number }[];
  unsure: number;
  total: number;
  level: { rank: string | null; share: number } | null;
}
export type Action = "keep" | "fix" | "drop";
export type AuditList = "duplicates" | "outliers" | "label_errors";
export interface AuditItem {
  list: AuditList;
  group: string | null;
  image_id: string;
  uri: string;
  name: string | null;
  suggested: string | null;
  rank: string | null;
  why: string;
  score: number | null;
  decided: Action | null;
}
export interface AuditAnswer {
  state: "making" | "failed" | "ready";
  done: number | null;
  problem: string | null;
  version: number | null;
  lists: Record<AuditList, AuditItem[]>;
  notes: string[];
  decided: number;
}
export interface Decision {
  image_id: string;
  list: AuditList | null;
  action: Action;
  rank?: string;
  value?: string | null;
}
export interface Decided {
  entry: number;
  kept: number;
  fixed: number;
  dropped: number;
  notes: string[];
}
export interface LogEntry {
  entry: number;
  at: string;
  kept: number;
  fixed: number;
  dropped: number;
  undone: boolean;
  changes: { image_id: string; action: Action; rank: string | null; before: string | null; after: string | null }[];
}
export interface Probe {
  name: string;
  title: string;
  value: number | null;
  low: number | null;
  high: number | null;
  null_low: number | null;
  null_high: number | null;
  p: number | null;
  said: string;
  /** Null where the number does not judge. */
  higher_is_better: boolean | null;
}
export interface ProbesAnswer {
  state: "making" | "failed" | "ready";
  done: number | null;
  problem: string | null;
  probes: Probe[];
  notes: string[];
}

/** What keeps rows: clades (any of them) and filters (all of them). */
export interface Limits {
  within?: string[];
  where?: string[];
}
export interface Query extends Limits {
  text?: string | null;
  id?: string[];
  not_id?: string[];
  taxon?: string[];
  k?: number;
}

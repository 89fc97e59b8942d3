/** Labels between visits. They are work of hours: they stay in the browser until they are thrown away. */

import { rowsOf, unguarded } from "../shared/csv";
import type { Kept, Measured } from "./labels";

export interface Work extends Kept {
  curve: Measured[];
  risk: number;
}
export const RISKS = [0.02, 0.05, 0.1, 0.15, 0.2] as const;
export const EMPTY: Work = { classes: [], of: [], curve: [], risk: 0.1 };

export const keyOfWork = (store: string, classifier: string | null): string =>
  `cladescope-labels:${store}:${classifier ?? ""}`;

/** What was kept, read with care: another version of the page may have written it. */
export function workOf(text: string | null): Work {
  try {
    const found = JSON.parse(text ?? "{}") as Partial<Work>;
    const pairs = Array.isArray(found.of) ? found.of : [];
    const risk = RISKS.find((one) => one === found.risk);
    return {
      classes: Array.isArray(found.classes) ? found.classes.filter((one) => typeof one === "string") : [],
      of: pairs.filter((one) => Array.isArray(one) && typeof one[0] === "string" && typeof one[1] === "string"),
      curve: Array.isArray(found.curve) ? found.curve.filter((one) => Number.isFinite(one?.labels)) : [],
      risk: risk ?? EMPTY.risk,
    };
  } catch {
    return EMPTY;
  }
}

/** The labels of a table with the columns image_id and label, as the service writes it. */
export function workOfTable(text: string): Kept {
  const [head, ...rows] = rowsOf(text);
  const id = head?.indexOf("image_id") ?? -1;
  const label = head?.indexOf("label") ?? -1;
  const of = rows
    .map((row): [string, string] => [unguarded(row[id] ?? ""), unguarded(row[label] ?? "")])
    .filter(([one, name]) => one !== "" && name !== "");
  return { classes: [...new Set(of.map(([, name]) => name))], of };
}

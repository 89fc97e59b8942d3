/** Filters as the service reads them: a column, an operator and a value. */

export const filterFor = (column: string, value: string): string => `${column}=${value}`;

/** The parts of a filter, for its words on the page; null for what is none. */
export function partsOf(filter: string): { column: string; operator: string; value: string } | null {
  const found = /^\s*(.+?)\s*(<=|>=|!=|=|<|>|\sin\s)\s*(.*?)\s*$/s.exec(filter);
  return found ? { column: found[1]!, operator: found[2]!.trim(), value: found[3]! } : null;
}

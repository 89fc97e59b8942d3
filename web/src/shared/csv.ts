/** Tables as text that a spreadsheet can open and runs nothing of. */

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const formula = (text: string): boolean =>
  !NUMBER.test(text) && /^[\t\r\n]|^\s*[=+\-@＝＋－＠]/.test(text.replace(/^'+/, ""));

/** A text that no spreadsheet takes for a formula: an apostrophe stands before one that looks so. */
export const guarded = (text: string): string => (formula(text) ? `'${text}` : text);
/** What a guarded text was. */
export const unguarded = (text: string): string => (text.startsWith("'") && formula(text) ? text.slice(1) : text);

function cellOf(value: string): string {
  const safe = guarded(value);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvOf(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.map(cellOf).join(",") + "\r\n").join("");
}

/** The rows of a CSV text; quotes, and line ends inside them, are understood. */
export function rowsOf(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let quoted = false;
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  for (; at < text.length; at++) {
    const sign = text[at]!;
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === ",") {
      row.push(cell);
      cell = "";
    } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[at + 1] === "\n") at++;
      rows.push([...row, cell]);
      row = [];
      cell = "";
    } else cell += sign;
  }
  if (cell !== "" || row.length) rows.push([...row, cell]);
  return rows;
}

/** Hand a table to the reader as a file; `marked` tells old spreadsheets that it is UTF-8. */
export function handOver(name: string, text: string, marked = false): void {
  const address = URL.createObjectURL(new Blob([marked ? `\ufeff${text}` : text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

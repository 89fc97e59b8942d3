/** The order in which an audit's findings are looked at. One question is one picture, or a group of pictures that show the same. */

import type { Action, AuditAnswer, AuditItem, AuditList } from "../api";

export const LISTS = ["duplicates", "outliers", "label_errors"] as const satisfies readonly AuditList[];

export interface Question {
  key: string;
  items: readonly AuditItem[];
}
export type Lists = Record<AuditList, readonly Question[]>;

/** Questions in the order of their first pictures; the pictures of a group stand together. */
export function questionsOf(items: readonly AuditItem[]): Question[] {
  const found = new Map<string, AuditItem[]>();
  for (const item of items) {
    const key = item.group === null ? `picture ${item.image_id}` : `group ${item.group}`;
    const group = found.get(key);
    if (group) group.push(item);
    else found.set(key, [item]);
  }
  return [...found].map(([key, group]) => ({ key, items: group }));
}
export const listsOf = (lists: AuditAnswer["lists"]): Lists =>
  Object.fromEntries(LISTS.map((list) => [list, questionsOf(lists[list] ?? [])])) as unknown as Lists;

export const isOpen = (question: Question): boolean => question.items.some((item) => item.decided === null);
export const openIn = (questions: readonly Question[]): number => questions.filter(isOpen).length;

/** The next question after `at` that is open, around the end; `at` itself where no other is. */
export function nextOpen(questions: readonly Question[], at: number): number {
  for (let step = 1; step <= questions.length; step++) {
    const place = (at + step) % questions.length;
    if (isOpen(questions[place]!)) return place;
  }
  return at;
}

/** The next picture of a group after `at` that is not decided; null where all are. */
export function nextInGroup(question: Question, at: number): number | null {
  for (let step = 1; step <= question.items.length; step++) {
    const place = (at + step) % question.items.length;
    if (question.items[place]!.decided === null) return place;
  }
  return null;
}

/** The lists after a decision, or with null after one is taken back. What is dropped, or comes back, is so in every list. */
export function decidedIn(
  lists: Lists,
  ids: ReadonlySet<string>,
  list: AuditList | null,
  action: Action | null,
): Lists {
  const everywhere = action === "drop" || action === null || list === null;
  const changed = (questions: readonly Question[]): readonly Question[] =>
    questions.map((question) =>
      question.items.some((item) => ids.has(item.image_id))
        ? {
            ...question,
            items: question.items.map((one) => (ids.has(one.image_id) ? { ...one, decided: action } : one)),
          }
        : question,
    );
  return Object.fromEntries(
    LISTS.map((one) => [one, everywhere || one === list ? changed(lists[one]) : lists[one]]),
  ) as unknown as Lists;
}

/** Where a list is opened: its first open question, or the one that holds the picture asked for. */
export function placeIn(questions: readonly Question[], id: string | null): { at: number; inner: number } {
  for (const [at, question] of questions.entries()) {
    const inner = question.items.findIndex((item) => item.image_id === id);
    if (inner >= 0) return { at, inner };
  }
  return { at: Math.max(0, questions.findIndex(isOpen)), inner: 0 };
}

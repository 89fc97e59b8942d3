/** One short message at the foot of the page, with at most one thing to do about it. */

export interface Toast {
  text: string;
  wrong: boolean;
  action: { label: string; run: () => void } | null;
}
export const toast: { now: Toast | null } = $state({ now: null });
let timer: ReturnType<typeof setTimeout> | undefined;

export function tell(text: string, action: Toast["action"] = null, wrong = false): void {
  clearTimeout(timer);
  toast.now = { text, action, wrong };
  timer = setTimeout(hush, wrong ? 15000 : 8000);
}

export function hush(): void {
  clearTimeout(timer);
  toast.now = null;
}

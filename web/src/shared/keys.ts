/** Whether a key belongs to where the reader types, or to a dialog that is open, and is no command to the view. */
export function typing(event: KeyboardEvent): boolean {
  if (document.querySelector("dialog[open]")) return true;
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  if (at instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(at.type);
  return at.isContentEditable || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement;
}

/** The sentences of the page that needs no service, beside those of strings.ts. */

export const alone = {
  fixed: "A fixed copy",
  fixedHint:
    "This page needs no service. To search by picture or text, teach names or correct labels, run `cladescope explore` on the collection itself.",
  needsService: "This fixed copy cannot do that: run `cladescope explore` on the collection itself.",
  notServed:
    "The data beside this page cannot be read. Opened from a disk, a browser does not allow it: run `python -m http.server` in this folder and open the address that it prints.",
  missing: (name: string): string =>
    `A part of this page is missing: ${name}. Copy the whole folder, or write it anew.`,
  otherFormat: "The data and the page are of different versions: write both anew.",
  noPicture: (id: string): string => `There is no picture ${id} on this page.`,
  noTaxon: (name: string): string => `No picture of this page is named ${name}.`,
  noFilter: (filter: string): string =>
    `This fixed copy keeps pictures by the names and values of its legends alone, not by ${filter}.`,
  noPictureHere: "This page has no small picture of it.",
};

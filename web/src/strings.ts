/** Every sentence of the page, in English. A translation replaces this file. Numbers stand in functions, so that plural forms can differ. */

const n = (value: number): string => value.toLocaleString("en");

export const S = {
  title: "Cladescope",
  views: { explore: "Explore", teach: "Teach", care: "Care", compare: "Compare" },
  store: "Collection",
  theme: { label: "Colours of the page", auto: "As the system", light: "Light", dark: "Dark" },
  pictures: (count: number): string => (count === 1 ? "1 picture" : `${n(count)} pictures`),
  ofPictures: (count: number, total: number): string => `${n(count)} of ${n(total)} pictures`,
  loading: "Loading…",
  retry: "Try again",
  close: "Close",
  failed: (why: string): string => `That did not work: ${why}`,
  offline: "The service does not answer. Is it still running?",
  tokenAsked: "This service asks for a token. It was printed where the service was started.",
  token: "Token",
  enter: "Enter",
  readOnly: "Read only",
  encoderLoading: "The encoder is loading; searches by picture and text work in a moment.",
  encoderFailed: (why: string): string => `Searches by picture and text do not work here: ${why}`,
  noStores: "No collection is served yet.",
  map: {},
  tree: {},
  grid: {},
  search: {},
  picture: {},
  teach: {},
  care: {},
  compare: {},
};

/** Whether the page is dark now, for what is drawn rather than styled. */

const system = matchMedia("(prefers-color-scheme: dark)");
const now = (): boolean => {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : system.matches;
};

export const look = $state({ dark: now() });

const follow = (): void => {
  look.dark = now();
};
system.addEventListener("change", follow);
addEventListener("themechange", follow);

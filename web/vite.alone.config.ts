import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const place = (name: string): string => decodeURI(new URL(name, import.meta.url).pathname);

/** Answers from the data in or beside the page in place of those of the service. */
const alone: Plugin = {
  name: "alone",
  enforce: "pre",
  async resolveId(source, importer, options) {
    const found = await this.resolve(source, importer, { ...options, skipSelf: true });
    return found?.id === place("./src/api.ts") ? place("./src/static/api.ts") : found;
  },
};

/** The page that needs no service: one script, which runs from a disk as modules do not, and its style. */
export default defineConfig({
  plugins: [alone, svelte()],
  publicDir: false,
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../analysis/maps/bundle",
    emptyOutDir: true,
    target: "es2022",
    lib: {
      entry: "src/static/main.ts",
      formats: ["iife"],
      name: "cladescope",
      fileName: () => "page.js",
      cssFileName: "page",
    },
  },
});

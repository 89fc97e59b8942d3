import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** The service that `npm run dev` asks: `cladescope serve STORE --write`. */
const SERVICE = "http://127.0.0.1:8000";
const place = (name: string): string => decodeURI(new URL(name, import.meta.url).pathname);

/** Answers from the data of the page itself in place of those of the service. */
const alone: Plugin = {
  name: "alone",
  enforce: "pre",
  async resolveId(source, importer, options) {
    const found = await this.resolve(source, importer, { ...options, skipSelf: true });
    return found?.id === place("./src/api.ts") ? place("./src/static/api.ts") : found;
  },
};

/** `--mode alone` makes the page that needs no service: one script, which runs from a disk, and its style. */
export default defineConfig(({ mode }) =>
  mode === "alone"
    ? {
        plugins: [alone, svelte()],
        publicDir: false,
        build: {
          outDir: "../analysis/maps/bundle",
          emptyOutDir: true,
          target: "es2022",
          cssCodeSplit: false,
          lib: {
            entry: "src/static/main.ts",
            formats: ["iife"],
            name: "cladescope",
            fileName: () => "page.js",
            cssFileName: "page",
          },
        },
        define: { "process.env.NODE_ENV": JSON.stringify("production") },
      }
    : {
        plugins: [svelte()],
        base: "./",
        build: {
          outDir: "../app/server/static",
          emptyOutDir: true,
          assetsInlineLimit: 0,
          modulePreload: false,
          target: "es2022",
        },
        server: { proxy: { "/api": SERVICE } },
      },
);

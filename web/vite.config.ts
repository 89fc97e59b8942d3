import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

/** The service that `npm run dev` asks: `cladescope serve STORE --write`. */
const SERVICE = "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [svelte()],
  base: "./",
  build: {
    outDir: "../app/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
  },
  // Writes must come from the host that they go to, as they do where the service itself serves the page.
  server: { proxy: { "/api": { target: SERVICE, changeOrigin: false } } },
});

// Builds the console's scripts and styles into web/dist: hashed names, a manifest that the server
// reads, and a compressed copy beside each file, so that the server compresses nothing itself.
import { defineConfig, type Plugin } from "vite";

/** Writes FILE.br and FILE.gz beside every text file of the build. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    async writeBundle(options, bundle) {
      // Named by variable: the front-end's type check knows no Node.js.
      const [zlib, fs, path] = await Promise.all(["node:zlib", "node:fs", "node:path"].map((name) => import(name)));
      for (const name of Object.keys(bundle)) {
        if (!/\.(js|css|svg|json)$/.test(name)) continue;
        const file = path.join(options.dir, name);
        const bytes = fs.readFileSync(file);
        fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(bytes));
        fs.writeFileSync(`${file}.gz`, zlib.gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/assets/",
  plugins: [precompress()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsDir: ".",
    // Nothing inline: the content security policy of the pages allows no data: script.
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    target: "es2021",
    // The map is a chunk of its own, loaded on pages that have one.
    chunkSizeWarningLimit: 1200,
    rollupOptions: { input: "src/console.ts" },
  },
});

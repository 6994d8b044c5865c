// The build: one script, one style sheet, two fonts, all with names that do not change, so that dist/ can be
// committed, embedded and compared byte by byte. Nothing is inlined: the page's CSP permits only its own files.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  base: '/',
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/app.js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith('.css')) ? 'assets/app.css' : 'assets/[name][extname]',
      },
    },
  },
  server: { proxy: { '/console/v1': process.env['GLACIS_CONSOLE'] ?? 'http://127.0.0.1:7405' } },
  test: { include: ['tests/unit/**/*.test.ts'], environment: 'node', disableConsoleIntercept: true },
});

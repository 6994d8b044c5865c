// What the source must never do: make markup of text, run text as code, ask another host.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function files(folder: string): string[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
  );
}
const source = files('src')
  .filter((name) => /\.(svelte|ts)$/.test(name))
  .map((name) => ({ name, text: readFileSync(ROOT + name, 'utf8') }));

test('no text becomes markup or code', () => {
  expect(source.length).toBeGreaterThan(30);
  const forbidden = [
    /\{@html/,
    /innerHTML/,
    /outerHTML/,
    /insertAdjacentHTML/,
    /document\.write/,
    /\beval\(/,
    /new Function/,
    /srcdoc/,
    /javascript:/,
  ];
  for (const { name, text } of source) {
    for (const pattern of forbidden) expect(pattern.test(text), `${name}: ${pattern}`).toBe(false);
  }
});

test('nothing is asked of another host', () => {
  for (const { name, text } of source) expect(/https?:\/\//.test(text), name).toBe(false);
  const page = readFileSync(`${ROOT}dist/index.html`, 'utf8');
  expect(/https?:\/\/|<style|style=|<script>|\son[a-z]+=/.test(page)).toBe(false);
});

test('a file stays small and says what it is', () => {
  for (const { name, text } of source) {
    expect(text.split('\n').length, name).toBeLessThanOrEqual(600);
    expect(/^(\/\/|<!--)/.test(text), `${name} begins with what it is`).toBe(true);
  }
});

test('the first page costs at most 90 kB of script and 60 kB of fonts', () => {
  const size = (name: string) => gzipSync(readFileSync(`${ROOT}dist/assets/${name}`), { level: 9 }).length;
  const scripts = readdirSync(`${ROOT}dist/assets`).filter((name) => name.endsWith('.js'));
  const total = scripts.reduce((all, name) => all + size(name), 0);
  console.log(`measured: script of the first page ${total} bytes compressed, of ${scripts.join(', ')}`);
  expect(total).toBeGreaterThan(10_000);
  expect(total).toBeLessThanOrEqual(90 * 1024);
  const fonts = readdirSync(`${ROOT}dist/assets`).filter((name) => name.endsWith('.woff2'));
  expect(
    fonts.reduce((all, name) => all + statSync(`${ROOT}dist/assets/${name}`).size, 0),
  ).toBeLessThanOrEqual(60 * 1024);
});

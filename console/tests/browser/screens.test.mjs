// Every screen and every state: axe finds nothing, nothing is wider than the window, the page complains about
// nothing, and it looks as it did. Pictures are kept in tests/snapshots; `UPDATE=1` takes new ones.
//
// A screen is opened once and then shown in each look, so that a change of theme or size while it is open is
// tested as well.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, newPage } from './browser.mjs';
import { decode, differing, encode } from './png.mjs';
import { SCREENS, STATES, show, still } from './screens.mjs';
import { FixtureServer } from './server.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const KEPT = new URL('../snapshots/', import.meta.url);
const SEEN = new URL('../out/', import.meta.url);
const README = new URL('../../../docs/console-live.png', import.meta.url);
/** Edges of letters differ a little between versions of the browser; a changed word differs by more. */
const DELTA = 72;
const SHARE = 0.0005;
const BYTES = 60 * 1024;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/**
 * @param {import('playwright-core').Page} page
 * @param {object} run What axe is to run.
 */
async function violations(page, run = { type: 'tag', values: TAGS }) {
  if (await page.evaluate(() => !('axe' in window))) await page.evaluate(AXE);
  return page.evaluate(async (runOnly) => {
    /** @type {any} */
    const axe = /** @type {any} */ (window)['axe'];
    const result = await axe.run(document, { runOnly });
    if (result.passes.length === 0) throw new Error('axe checked nothing');
    return result.violations.map(
      (/** @type {any} */ one) =>
        `${one.id}: ${one.help}: ${one.nodes.map((/** @type {any} */ node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
    );
  }, run);
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {URL} [file]
 */
async function looksAsBefore(page, name, file = new URL(`${name}.png`, KEPT)) {
  const dialog = page.locator('dialog[open]');
  const shown = (await dialog.count()) > 0 ? dialog : page;
  const picture = decode(await shown.screenshot({ animations: 'disabled', caret: 'hide' }));
  const bytes = encode(picture, file === README ? 256 : 48);
  if (process.env['UPDATE'] === '1') {
    mkdirSync(KEPT, { recursive: true });
    writeFileSync(file, bytes);
  }
  const limit = file === README ? 150 * 1024 : BYTES;
  assert.ok(bytes.length <= limit, `${name}.png has ${bytes.length} bytes of ${limit}`);
  const found = differing(decode(readFileSync(file)), decode(bytes), DELTA);
  const allowed = Math.floor(picture.width * picture.height * SHARE);
  if (found > allowed) {
    mkdirSync(SEEN, { recursive: true });
    const seen = new URL(`${name}.png`, SEEN);
    writeFileSync(seen, bytes);
    assert.fail(
      `${name} looks different: ${found} pixels, ${allowed} are allowed; compare ${fileURLToPath(file)} and ${fileURLToPath(seen)}`,
    );
  }
}

/**
 * @param {import('./screens.mjs').Screen} screen
 * @param {(page: import('playwright-core').Page) => Promise<void>} check
 */
async function on(screen, check) {
  const server = await new FixtureServer().listen();
  const tolerated = screen.tolerated === undefined ? {} : { tolerated: screen.tolerated };
  const { page, context, complaints } = await newPage(browser, {
    origin: screen.named === true ? server.named : server.url,
    ...tolerated,
  });
  try {
    await show(page, server, screen);
    await check(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await server.close();
  }
}

/** @param {import('playwright-core').Page} page */
async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} pixels wider than the window`);
}

/** @typedef {{ name: string, theme?: 'dark' | 'light', forced?: 'active' | 'none', width?: number, height?: number }} Shown */
/** @type {Shown[]} */
const LOOKS = [
  { name: 'light' },
  { name: 'dark', theme: 'dark' },
  { name: 'narrow', width: 420, height: 900 },
  // Last: the browser keeps some borders of forced colours until they are laid out anew.
  { name: 'forced', forced: 'active' },
];

for (const screen of SCREENS) {
  test(`${screen.name} is accessible and looks as before in every look`, () =>
    on(screen, async (page) => {
      for (const look of LOOKS) {
        await page.emulateMedia({ colorScheme: look.theme ?? 'light', forcedColors: look.forced ?? 'none' });
        await page.setViewportSize({ width: look.width ?? 1280, height: look.height ?? 860 });
        await still(page);
        // What axe sees does not depend on forced colours.
        if (look.forced === undefined) assert.deepEqual(await violations(page), [], look.name);
        await fits(page);
        if (look.forced === undefined || screen.name === 'decision')
          await looksAsBefore(page, `${screen.name}-${look.name}`);
      }
    }));
}

for (const screen of STATES) {
  test(`${screen.name} is accessible and looks as before`, () =>
    on(screen, async (page) => {
      assert.deepEqual(await violations(page), []);
      await fits(page);
      await looksAsBefore(page, screen.name);
      // Of all rules only the one on contrast can find something else in another theme.
      await page.emulateMedia({ colorScheme: 'dark' });
      await still(page);
      assert.deepEqual(await violations(page, { type: 'rule', values: ['color-contrast'] }), []);
    }));
}

test('the picture of the README is this page', () => {
  const live = SCREENS.find((screen) => screen.name === 'live');
  assert.ok(live);
  return on({ ...live, path: '/?range=15m' }, async (page) => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await still(page);
    await looksAsBefore(page, 'console-live', README);
  });
});

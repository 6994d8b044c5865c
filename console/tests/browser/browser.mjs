// The browser of the tests: Chromium of the system, one process for each test file, a page for each test.
//
// A page that logs an error, breaks the Content-Security-Policy or asks another host than its own fails its test.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { NOW } from '../fixtures/data.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** @returns {string} */
export function executable() {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) =>
    existsSync(path),
  );
  if (found === undefined) throw new Error('no Chromium in PATH; `cargo xtask install` installs it');
  return found;
}

export async function launch() {
  // Root has no user namespace for the browser's own sandbox; what is shown is our own page only.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const still = [
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--font-render-hinting=none',
    '--disable-lcd-text',
    '--force-color-profile=srgb',
  ];
  return chromium.launch({ executablePath: executable(), headless: true, args: [...root, ...still] });
}

/**
 * @typedef {object} Look
 * @property {'light' | 'dark'} [theme]
 * @property {number} [width]
 * @property {number} [height]
 * @property {boolean} [frozen] Whether the clock stands.
 * @property {'active' | 'none'} [forced]
 * @property {string} [origin] The only origin that may be asked.
 * @property {RegExp} [tolerated] Complaints that the test provokes.
 * @property {Awaited<ReturnType<import('playwright-core').BrowserContext['storageState']>>} [signedIn] Cookies of
 *   somebody who signed in before.
 */

/**
 * @param {import('playwright-core').Browser} browser
 * @param {Look} look
 */
export async function newPage(browser, look = {}) {
  const context = await browser.newContext({
    viewport: { width: look.width ?? 1280, height: look.height ?? 860 },
    colorScheme: look.theme ?? 'light',
    forcedColors: look.forced ?? 'none',
    reducedMotion: 'reduce',
    deviceScaleFactor: 1,
    timezoneId: 'UTC',
    locale: 'en-US',
    ...(look.signedIn === undefined ? {} : { storageState: look.signedIn }),
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  /** @type {string[]} */
  const complaints = [];
  const note = (/** @type {string} */ text) => {
    if (!look.tolerated?.test(text)) complaints.push(text);
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      note(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => note(`thrown: ${error.message}`));
  page.on('dialog', (dialog) => {
    note(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const origin = new URL(request.url()).origin;
    if (look.origin !== undefined && origin !== look.origin) note(`asked ${request.url()}`);
  });
  if (look.frozen !== false) await page.clock.setFixedTime(NOW);
  return { page, context, complaints };
}

/**
 * Presses Tab until something has the focus.
 * @param {import('playwright-core').Page} page
 * @param {(focus: { text: string, label: string, role: string, id: string }) => boolean} wanted
 */
export async function tabTo(page, wanted) {
  for (let tries = 0; tries < 80; tries += 1) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => ({
      text: document.activeElement?.textContent?.trim() ?? '',
      label: document.activeElement?.getAttribute('aria-label') ?? '',
      role: document.activeElement?.getAttribute('role') ?? '',
      id: document.activeElement?.id ?? '',
    }));
    if (wanted(focus)) return;
  }
  assert.fail('nothing of that kind takes the focus');
}

// The screens and states that pictures are taken of and that are checked for accessibility: one list for both.

import { SIGNED_IN } from '../fixtures/data.mjs';
import { DETAIL, DEVICE } from '../fixtures/detail.mjs';

/**
 * @typedef {object} Screen
 * @property {string} name
 * @property {string} path
 * @property {(server: import('./server.mjs').FixtureServer) => void} [prepare]
 * @property {(page: import('playwright-core').Page) => Promise<void>} [act]
 * @property {RegExp} [tolerated] What the browser may complain about, since the screen is about an error.
 * @property {boolean} [named] Whether it is opened by the name that passkeys need.
 * @property {string} ready Text that is there once the screen is.
 */

const problem =
  (/** @type {number} */ status, /** @type {string} */ code, /** @type {string} */ detail) => () => ({
    status,
    body: { type: 'about:blank', title: 'Internal Server Error', status, code, detail },
  });

/** @type {Screen[]} */
export const SCREENS = [
  { name: 'live', path: '/', ready: '400 kept' },
  { name: 'baseline', path: '/?baseline=1&range=5m&verdict=block', ready: 'Load saved' },
  { name: 'decision', path: `/decisions/${DETAIL.line.reference}`, ready: 'Record and proof' },
  { name: 'devices', path: '/devices', ready: 'Next 100' },
  { name: 'device', path: `/devices/${DEVICE.thumbprint}`, ready: 'Last decisions' },
  { name: 'passkeys', path: '/passkeys', ready: 'laptop', named: true },
  {
    name: 'login',
    path: '/login',
    named: true,
    ready: 'Sign in to Glacis',
    prepare: (server) => void (server.signedIn = false),
    tolerated: /401/,
  },
];

/** @type {Screen[]} */
export const STATES = [
  { name: 'table', path: '/?chart=table&range=1m', ready: 'From – to' },
  {
    name: 'replay',
    path: `/decisions/${DETAIL.line.reference}`,
    ready: 'Record and proof',
    act: async (page) => {
      await page.getByLabel('Version', { exact: true }).selectOption('11');
      await page.getByRole('button', { name: 'Replay', exact: true }).click();
      await page.getByText('then it was block').waitFor();
    },
  },
  {
    name: 'palette',
    path: '/',
    ready: '400 kept',
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type(DEVICE.thumbprint.slice(0, 4));
      await page
        .getByRole('option')
        .filter({ hasText: DEVICE.thumbprint.slice(0, 10) })
        .waitFor();
    },
  },
  {
    name: 'keyboard',
    path: '/',
    ready: '400 kept',
    act: async (page) => {
      await page.keyboard.press('?');
      await page.getByText('In the table').waitFor();
    },
  },
  {
    name: 'command',
    path: `/decisions/${DETAIL.line.reference}`,
    ready: 'Record and proof',
    act: async (page) => {
      await page.keyboard.press('c');
      await page.getByText('The same explanation in a terminal').waitFor();
    },
  },
  {
    name: 'selected',
    path: '/',
    ready: '400 kept',
    act: async (page) => {
      for (const key of ['j', 'j', 'j', 'l', 'l']) await page.keyboard.press(key);
    },
  },
  { name: 'filtered', path: '/?event=nothing.here', ready: 'passes the filter' },
  {
    name: 'waiting',
    path: '/',
    ready: 'no decision has come yet',
    prepare: (server) => void (server.live = { ticks: [], lines: [] }),
  },
  {
    name: 'quiet',
    path: '/',
    ready: 'Nothing was decided since',
    prepare: (server) => void (server.live = { ...server.live, lines: [] }),
  },
  {
    name: 'fault',
    path: '/devices',
    ready: 'the store could not be read',
    prepare: (server) =>
      void server.overrides.set('/devices', problem(500, 'storage', 'the store could not be read')),
    tolerated: /500/,
  },
  {
    name: 'missing',
    path: '/decisions/ABCDEFGHJKMN',
    ready: 'No decision has this reference',
    tolerated: /404/,
  },
  {
    name: 'login-numbers',
    path: '/login',
    ready: 'Browsers keep passkeys for a name',
    prepare: (server) => void (server.signedIn = false),
    tolerated: /401/,
  },
  { name: 'passkeys-numbers', path: '/passkeys', ready: 'Browsers keep passkeys for a name' },
  {
    name: 'passkeys-none',
    path: '/passkeys',
    named: true,
    ready: 'There is no passkey yet',
    prepare: (server) => {
      server.passkeys = [];
      server.whyNot =
        'a passkey adds no others: sign out, then in again by a link or a token, and add it then';
    },
  },
  {
    name: 'passkeys-remove',
    path: '/passkeys',
    named: true,
    ready: 'laptop',
    act: async (page) => {
      await page.getByRole('button', { name: 'Remove laptop' }).click();
      await page.getByText('whoever it signed in is signed out').waitFor();
    },
  },
  { name: 'lost', path: '/no/such/page', ready: 'Nothing is at this address' },
  {
    name: 'loading',
    path: '/devices',
    ready: 'Loading the devices',
    prepare: (server) =>
      void server.overrides.set('/devices', () => ({ status: 200, body: {}, delayMs: 60_000 })),
  },
];

/**
 * Opens a screen and waits until it stands still.
 * @param {import('playwright-core').Page} page
 * @param {import('./server.mjs').FixtureServer} server
 * @param {Screen} screen
 */
export async function show(page, server, screen) {
  screen.prepare?.(server);
  // As after a log-in on this page.
  if (server.signedIn)
    await page.addInitScript((adds) => sessionStorage.setItem('glacis-adds', adds ?? ''), SIGNED_IN.adds);
  await page.goto((screen.named === true ? server.named : server.url) + screen.path);
  await page.getByText(screen.ready).first().waitFor({ state: 'attached' });
  await page.evaluate(() => document.fonts.ready);
  await screen.act?.(page);
  await still(page);
}

/**
 * Three pictures, so that what was asked for before is in the last one: an observer of sizes takes one of its own.
 * @param {import('playwright-core').Page} page
 */
export async function still(page) {
  for (let frame = 0; frame < 3; frame += 1)
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
}

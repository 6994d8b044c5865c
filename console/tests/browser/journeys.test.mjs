// Three journeys of the people who use the console, each by mouse and by keyboard alone: see an attack, open a
// reference, find out why a device fell.
//
// They run against fixtures and, where `GLACIS_BIN` names a binary, against its demonstration. With CI=true a
// missing binary is a failure.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, newPage, tabTo } from './browser.mjs';
import { demo, fixtures } from './real.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const binary = process.env['GLACIS_BIN'];
const WAIT_MS = 60_000;
const ATTACK_WAIT_MS = 180_000;

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const blocks = (page) => page.locator('tbody tr.blocked[data-row]');

/**
 * Blocks that stayed on their device have no page; these have one.
 * @param {Page} page
 */
const referred = (page) => blocks(page).filter({ has: page.locator('a[href^="/decisions/"]') });

/**
 * Goes down a table that stands still, until what is looked for is in view: the steps that took, or -1.
 * @param {import('playwright-core').Locator} wanted
 * @param {() => Promise<void>} down
 * @param {number} [most]
 */
async function stepsTo(wanted, down, most = 100) {
  for (let steps = 0; steps < most; steps += 1) {
    if ((await wanted.count()) > 0) return steps;
    await down();
  }
  return -1;
}

/**
 * Points at the verdict of a block. The table stands still under the pointer, so first it comes to rest anywhere.
 * @param {Page} page
 */
async function pointAtBlock(page) {
  for (const end = Date.now() + ATTACK_WAIT_MS; Date.now() < end; ) {
    await page.mouse.move(5, 5);
    await blocks(page).first().waitFor({ timeout: ATTACK_WAIT_MS });
    await page.locator('tbody tr[data-row]').first().hover();
    if ((await blocks(page).count()) === 0) continue;
    await blocks(page).first().locator('td').nth(3).hover();
    return;
  }
  assert.fail('no block stays in view');
}

/**
 * What a decision must show that was blocked.
 * @param {Page} page
 */
async function explained(page) {
  await page.getByText('Record and proof').waitFor();
  const text = ((await page.locator('main').textContent()) ?? '').replace(/\s+/g, ' ');
  assert.ok(
    /Blocked (at the edge|in the cloud|on the device)/.test(text),
    'says that it was blocked, and where',
  );
  assert.ok(text.includes('stopped here'), 'the path says where it ended');
  assert.equal(await page.locator('.path li').count(), 4);
  assert.ok((await page.locator('.deciding.first').count()) >= 1, 'the deciding rule is marked');
  assert.ok(text.includes('chain holds'), 'the audit chain holds');
}

/**
 * The chart moves on while somebody points at it: who misses, points again.
 * @param {Page} page
 */
async function showOnlyBlock(page) {
  const button = page.getByRole('button', { name: 'Show only block' });
  for (let tries = 10; ; tries -= 1) {
    await pointAtBlock(page);
    try {
      return await button.click({ timeout: tries > 1 ? 5_000 : WAIT_MS });
    } catch (error) {
      if (tries <= 1) throw error;
    }
  }
}

/** @type {Record<string, Record<'mouse' | 'keyboard', (page: Page) => Promise<void>>>} */
const JOURNEYS = {
  'see an attack': {
    mouse: async (page) => {
      await showOnlyBlock(page);
      await page.waitForURL(/verdict=block/);
      await page.mouse.move(5, 5);
      await referred(page).first().locator('a[href^="/decisions/"]').hover();
      await referred(page).first().locator('a[href^="/decisions/"]').click();
      await explained(page);
    },
    keyboard: async (page) => {
      // Rows rush by: it stands still first, and runs on where no block is in it.
      await page.locator('tbody tr[data-row]').first().waitFor();
      const down = () => page.keyboard.press('j');
      let at = -1;
      for (const end = Date.now() + ATTACK_WAIT_MS; at < 0; ) {
        assert.ok(Date.now() < end, 'a block in the table');
        await page.keyboard.press('p');
        at = await stepsTo(blocks(page), down);
        if (at < 0) await page.keyboard.press('p');
      }
      const row = Number(await blocks(page).first().getAttribute('data-row'));
      for (; at <= row; at += 1) await down();
      await page.keyboard.press('l');
      await page.keyboard.press('l');
      await page.keyboard.press('f');
      await page.waitForURL(/verdict=block/);
      // Down to the first that was refused with a reference.
      at = await stepsTo(referred(page), down, 400);
      assert.ok(at >= 0, 'a block with a reference');
      const first = Number(await referred(page).first().getAttribute('data-row'));
      for (; at <= first; at += 1) await down();
      await page.keyboard.press('e');
      await explained(page);
    },
  },
  'open a reference': {
    mouse: async (page) => {
      const reference = await someReference(page);
      await page.getByRole('button', { name: 'Reference or device' }).click();
      await page.getByRole('combobox', { name: 'Reference, device or event' }).fill(reference.toLowerCase());
      await page.getByRole('option').filter({ hasText: reference }).first().click();
      await explained(page);
      await page.getByRole('button', { name: 'Replay', exact: true }).click();
      await page.getByText('Lists and counts are as they were').waitFor();
      await page.getByRole('button', { name: 'Show as command' }).click();
      await page.getByRole('dialog').getByText('glacis explain').first().waitFor();
    },
    keyboard: async (page) => {
      const reference = await someReference(page);
      await page.keyboard.press('Control+k');
      await page.keyboard.type(reference.replaceAll('-', ''));
      await page.getByRole('option').filter({ hasText: reference }).first().waitFor();
      await page.keyboard.press('Enter');
      await explained(page);
      await tabTo(page, ({ text }) => text === 'Replay');
      await page.keyboard.press('Enter');
      await page.getByText('Lists and counts are as they were').waitFor();
      await page.keyboard.press('c');
      await page.getByRole('dialog').getByText('glacis explain').first().waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    },
  },
  'why did this device fall': {
    mouse: async (page) => {
      await page.getByRole('link', { name: 'Devices' }).click();
      await forked(page, () => page.getByRole('button', { name: 'load again' }).click());
      await page.locator('tbody tr').filter({ hasText: 'fork' }).first().locator('a').click();
      await fell(page);
    },
    keyboard: async (page) => {
      await page.keyboard.press('g');
      await page.keyboard.press('d');
      await forked(page, () => page.keyboard.press('r'));
      const rows = page.locator('tbody tr');
      const at = await rows.evaluateAll((all) => all.findIndex((row) => row.textContent?.includes('fork')));
      for (let step = 0; step <= at; step += 1) await page.keyboard.press('j');
      await page.keyboard.press('Enter');
      await fell(page);
    },
  },
};

/**
 * Loads the devices again until one is forked: a demonstration needs its time to come to that.
 * @param {Page} page
 * @param {() => Promise<void>} again
 */
async function forked(page, again) {
  const rows = page.locator('tbody tr');
  for (const end = Date.now() + ATTACK_WAIT_MS; Date.now() < end; ) {
    await rows.first().waitFor();
    if ((await rows.filter({ hasText: 'fork' }).count()) > 0) return;
    await page.waitForTimeout(500);
    await again();
  }
  assert.fail('no device forks');
}

/**
 * The device's page says that it fell, from what to what, and why in words.
 * @param {Page} page
 */
async function fell(page) {
  const why = page.getByRole('region', { name: 'Why this device fell' });
  await why.waitFor();
  const text = (await why.textContent()) ?? '';
  assert.ok(text.includes('Fell'), 'says that it fell');
  assert.ok(text.length > 60, 'a sentence says why');
  assert.ok((await page.locator('.history .fell').count()) >= 1);
}

/**
 * The reference of a block, as somebody would read it from a refusal: looked up aside, so that the journey begins
 * where it began.
 * @param {Page} page
 */
async function someReference(page) {
  const begin = page.url();
  await page.goto(`${new URL(begin).origin}/live?verdict=block`);
  const link = blocks(page).first().locator('a[href^="/decisions/"]');
  await link.waitFor();
  const reference = await link.textContent();
  assert.match(reference ?? '', /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/);
  await page.goto(begin);
  await page.getByRole('heading', { name: 'Live' }).waitFor();
  return reference ?? '';
}

test('the journeys have a real server where nothing may be skipped', () => {
  if (process.env['CI'] === 'true') assert.ok(binary, 'GLACIS_BIN is not set');
});

/**
 * Signs in, or is signed in already, and goes.
 * @param {string} url
 * @param {import('./browser.mjs').Look} look
 * @param {(page: Page) => Promise<void>} go
 */
async function travel(url, look, go) {
  const { page, context, complaints } = await newPage(browser, {
    ...look,
    origin: new URL(url).origin,
    tolerated: /401/,
  });
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(url);
  await page.getByRole('heading', { name: 'Live' }).waitFor();
  await go(page);
  assert.deepEqual(complaints, []);
  const signedIn = await context.storageState();
  await context.close();
  return signedIn;
}

for (const [journey, ways] of Object.entries(JOURNEYS)) {
  for (const [way, go] of Object.entries(ways)) {
    test(`${journey}, by ${way}: fixtures`, async () => {
      const host = await fixtures();
      try {
        await travel(await host.link(), {}, go);
      } finally {
        await host.close();
      }
    });
  }
}

// One demonstration for all journeys: its link works once, and who signed in stays so.
test('every journey: glacis demo', { skip: binary === undefined || binary === '' }, async (t) => {
  const host = await demo(binary ?? '');
  try {
    const link = await host.link();
    // The attackers of the demonstration do not begin at once.
    const signedIn = await travel(link, { frozen: false }, async (page) => {
      await page.goto(`${new URL(link).origin}/live?verdict=block`);
      await referred(page).first().waitFor({ timeout: ATTACK_WAIT_MS });
    });
    for (const [journey, ways] of Object.entries(JOURNEYS))
      for (const [way, go] of Object.entries(ways))
        await t.test(`${journey}, by ${way}: glacis demo`, async () => {
          await travel(new URL(link).origin, { frozen: false, signedIn }, go);
        });
  } finally {
    await host.close();
  }
});

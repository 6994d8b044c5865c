// Stored cross-site scripting: every text that a client controls holds an attack, on every screen, and nothing runs.
//
// The texts must be seen as texts, or the test would pass on an empty page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, newPage } from './browser.mjs';
import { DEVICES, LINES, TICKS } from '../fixtures/data.mjs';
import { DETAIL, DEVICE, REPLAY } from '../fixtures/detail.mjs';
import { FixtureServer } from './server.mjs';

const ATTACKS = [
  '<img src=x onerror="window.hacked=1">',
  '"><svg onload="window.hacked=1"></svg>',
  '</script><script>window.hacked=1</script>',
  'javascript:window.hacked=1',
  "'-alert(1)-'{@html '<b>x</b>'}",
  '{{constructor.constructor("window.hacked=1")()}}',
  '\u202e<iframe srcdoc="<script>parent.hacked=1</script>">\u2066',
  '<a href="javascript:window.hacked=1" autofocus onfocus="window.hacked=1">x</a>',
  '<base href="//evil.invalid/"><form action="//evil.invalid/"><meta http-equiv=refresh content=0>',
];
/** Fields that are not free texts: another value would be another screen. */
const FIXED = new Set([
  'zone',
  'tier',
  'state',
  'privacy',
  'from',
  'to',
  'disclosed',
  'verdict',
  'row',
  'reference',
  'thumbprint',
  'listed',
  'text',
]);

let turn = 0;
/**
 * The same answer with an attack in every free text.
 * @template T
 * @param {T} value
 * @param {string} [key]
 * @returns {T}
 */
function poison(value, key = '') {
  if (typeof value === 'string') {
    return /** @type {T} */ (FIXED.has(key) ? value : `${ATTACKS[turn++ % ATTACKS.length]}${turn}`);
  }
  if (Array.isArray(value)) return /** @type {T} */ (value.map((item) => poison(item, key)));
  if (value === null || typeof value !== 'object') return value;
  return /** @type {T} */ (
    Object.fromEntries(Object.entries(value).map(([name, item]) => [name, poison(item, name)]))
  );
}

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/**
 * @param {(page: import('playwright-core').Page, server: FixtureServer) => Promise<void>} act
 * @param {RegExp} [tolerated]
 * @param {boolean} [named] Whether the page is opened by the name that passkeys need.
 */
async function attacked(act, tolerated, named = false) {
  const server = await new FixtureServer().listen();
  const origin = named ? server.named : server.url;
  const { page, context, complaints } = await newPage(browser, {
    origin,
    ...(tolerated && { tolerated }),
  });
  try {
    await act(page, server);
    assert.equal(await page.evaluate(() => /** @type {any} */ (window)['hacked']), undefined);
    const links = await page.$$eval('a', (all) => all.map((link) => link.href));
    assert.deepEqual(
      links.filter((href) => !href.startsWith(`${origin}/`)),
      [],
    );
    const made = await page.$$eval(
      'img, iframe, script:not([src]), base, form[action], [onerror], [onload], [onfocus]',
      (all) => all.length,
    );
    assert.equal(made, 0, 'elements that no component makes');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `a text made the page ${wide} pixels wider than the window`);
    assert.deepEqual(complaints, []);
  } catch (error) {
    throw complaints.length > 0 ? new Error(complaints.join('; '), { cause: error }) : error;
  } finally {
    await context.close();
    await server.close();
  }
}

/** @param {import('playwright-core').Page} page */
const seen = async (page) => {
  const text = (await page.locator('body').textContent()) ?? '';
  for (const attack of [
    'onerror="window.hacked=1"',
    '<svg onload=',
    '<script>window.hacked=1',
    '{@html',
    'javascript:window.hacked',
  ]) {
    assert.ok(text.includes(attack), `${attack} is not seen as text`);
  }
};

test('passkeys: in their names and in who added them', () =>
  attacked(
    async (page, server) => {
      server.passkeys = ATTACKS.map((attack, id) => ({
        id,
        name: attack,
        by: attack,
        made_ms: 1,
        used_ms: null,
      }));
      await page.goto(`${server.named}/passkeys`);
      await page.locator('tbody tr').first().waitFor();
      await seen(page);
      await page.getByRole('button', { name: 'Remove <img' }).click();
      await page.getByRole('dialog').getByText('onerror').waitFor();
    },
    undefined,
    true,
  ));

test('live: in every field of a decision, pointed at, filtered and excluded', () =>
  attacked(async (page, server) => {
    const attack = (/** @type {number} */ at) => ATTACKS[at % ATTACKS.length] ?? '';
    const lines = LINES.map((line, at) => ({
      ...poison(line),
      event: attack(at),
      reasons: [attack(at + 1)],
      principal: attack(at + 2),
    }));
    server.live = { ticks: TICKS, lines };
    await page.goto(server.url);
    await page.locator('tbody tr[data-row]').first().waitFor();
    await seen(page);
    for (const column of [5, 6, 9]) {
      const cell = page.locator(`tbody tr[data-row="1"] td:nth-child(${column})`);
      await cell.hover();
      await page.locator('.tools button').first().click();
      await page.locator('.chip').first().waitFor();
      await page.getByRole('button', { name: 'Clear', exact: true }).click();
      await page.mouse.move(5, 5);
      await page.locator('.chip').first().waitFor({ state: 'detached' });
    }
    server.send('decisions', {
      rows: [{ ...poison(LINES[0]), row: 'new', verdict: ATTACKS[0] ?? '' }],
      skipped: 0,
      behind: 0,
    });
    await page.getByText('401 kept').waitFor();
  }));

test('live: in the address', () =>
  attacked(async (page, server) => {
    const params = new URLSearchParams(
      ATTACKS.map((attack, at) => [at % 2 === 0 ? 'principal' : '-reason', attack]),
    );
    await page.goto(`${server.url}/?${params}&range=${encodeURIComponent(ATTACKS[0] ?? '')}`);
    await page.locator('.chip').first().waitFor();
    assert.equal(await page.locator('.chip').count(), ATTACKS.length);
    await seen(page);
  }));

test('decision: in every text, rules and signals and record included', () =>
  attacked(async (page, server) => {
    const { policy } = DETAIL;
    assert.ok(policy);
    const text = `${ATTACKS.map((attack) => `# ${attack}\n`).join('')}${policy.text}`;
    const bad = poison(DETAIL);
    server.detail = {
      ...bad,
      line: { ...bad.line, thumbprint: ATTACKS[3] ?? '' },
      policy: {
        ...poison(policy),
        text,
        rules: policy.rules.map((rule) => ({ ...poison(rule), span: rule.span, when_span: rule.when_span })),
      },
    };
    server.overrides.set(`/decisions/${DETAIL.line.reference}/replay`, () => ({
      status: 200,
      body: poison(REPLAY),
    }));
    await page.goto(`${server.url}/decisions/${DETAIL.line.reference}`);
    await page.getByText('Record and proof').waitFor();
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    await page.getByText('Lists and counts').waitFor();
    await page.getByText('Record as stored').click();
    await page.getByRole('button', { name: /Show as command/ }).click();
    await page.locator('dialog').waitFor();
    await seen(page);
  }));

test('decision: a verdict and a state that nobody knows', () =>
  attacked(async (page, server) => {
    const odd = /** @type {any} */ (structuredClone(DETAIL));
    odd.line.verdict = ATTACKS[0];
    odd.line.zone = ATTACKS[1];
    odd.path[1].state = ATTACKS[0];
    odd.policy.rules[0].state = ATTACKS[0];
    odd.signals[3].privacy = ATTACKS[2];
    odd.signals[3].zone = ATTACKS[2];
    odd.line.tier = ATTACKS[3];
    server.detail = odd;
    await page.goto(`${server.url}/decisions/${DETAIL.line.reference}`);
    await page.getByText('Record and proof').waitFor();
  }));

test('devices and device: in every text', () =>
  attacked(async (page, server) => {
    const devices = DEVICES.map((device, at) => ({
      ...poison(device),
      thumbprint: at < ATTACKS.length ? (ATTACKS[at] ?? '') : device.thumbprint,
    }));
    server.overrides.set('/devices', () => ({
      status: 200,
      body: { devices, next: null, tiers: { none: 1, software: 2, hardware: 3, strong: 4 } },
    }));
    await page.goto(`${server.url}/devices`);
    await page.locator('tbody a').first().waitFor();
    await seen(page);
    server.device = {
      ...poison(DEVICE),
      tier: DEVICE.tier,
      history: DEVICE.history.map((change) => ({ ...poison(change), from: change.from, to: change.to })),
    };
    await page.goto(`${server.url}/devices/${DEVICE.thumbprint}`);
    await page.getByText('Last decisions').waitFor();
    await page.locator('.events').waitFor();
    assert.ok(((await page.locator('main').textContent()) ?? '').includes('<script>window.hacked=1'));
  }));

test('device: a thumbprint of the address goes nowhere but into the question', () =>
  attacked(async (page, server) => {
    await page.goto(
      `${server.url}/devices/${encodeURIComponent('../../decisions?x=<img src=x onerror=hacked=1>')}`,
    );
    await page.getByText('No device has this thumbprint').waitFor();
    const asked = server.requests.filter(({ url }) => url.startsWith('/console/v1/devices/'));
    assert.deepEqual(
      asked.map(({ url }) => url),
      ['/console/v1/devices/..%2F..%2Fdecisions%3Fx%3D%3Cimg%20src%3Dx%20onerror%3Dhacked%3D1%3E'],
    );
  }, /404/));

test('search: in what is found and in what is asked', () =>
  attacked(async (page, server) => {
    const decisions = ATTACKS.map((attack) => ({
      reference: attack,
      event: attack,
      verdict: attack,
      decided_ms: 0,
    }));
    server.overrides.set('/search', () => ({
      status: 200,
      body: { decisions, devices: [{ thumbprint: ATTACKS[0], tier: ATTACKS[1] }] },
    }));
    await page.goto(server.url);
    await page.keyboard.press('Control+k');
    await page.keyboard.type(ATTACKS[0] ?? '');
    await page.getByRole('option').first().waitFor();
    await seen(page);
  }));

test('errors: in what a problem says', () =>
  attacked(async (page, server) => {
    const body = { title: ATTACKS[0], detail: ATTACKS.join(' '), code: ATTACKS[2], status: 500 };
    server.overrides.set('/devices', () => ({ status: 500, body }));
    await page.goto(`${server.url}/devices`);
    await page.getByRole('alert').waitFor();
    await seen(page);
  }, /500/));

test('log-in: no address leads away from the page', () =>
  attacked(async (page, server) => {
    for (const next of [
      'https://evil.invalid/',
      '//evil.invalid',
      'javascript:window.hacked=1',
      '/\\evil.invalid',
    ]) {
      server.signedIn = false;
      await page.goto(`${server.url}/login?next=${encodeURIComponent(next)}`);
      await page.getByLabel('Token with scope read, or link').fill(`glacis_${'T'.repeat(43)}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Live' }).waitFor();
      assert.equal(new URL(page.url()).origin, server.url);
    }
  }, /401/));

// What the page does: signing in and out, losing the server and finding it, filters, pause, keys, focus.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, newPage } from './browser.mjs';
import { LINES, NOW, TICKS, generator, line } from '../fixtures/data.mjs';
import { DETAIL, DEVICE } from '../fixtures/detail.mjs';
import { still } from './screens.mjs';
import { FixtureServer } from './server.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

/**
 * @param {string} name
 * @param {(page: import('playwright-core').Page, server: FixtureServer) => Promise<void>} act
 * @param {import('./browser.mjs').Look} [look]
 */
function on(name, act, look = {}) {
  test(name, async () => {
    const server = await new FixtureServer().listen();
    const { page, context, complaints } = await newPage(browser, { origin: server.url, ...look });
    try {
      await act(page, server);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
      await server.close();
    }
  });
}

/**
 * Points at a cell until its button is there: a font or a chart that comes late moves the rows away from the pointer.
 * @param {import('playwright-core').Page} page
 * @param {import('playwright-core').Locator} cell
 * @param {string} button
 */
async function pointAt(page, cell, button) {
  for (let tries = 0; tries < 50; tries += 1) {
    await page.mouse.move(5, 5);
    await cell.hover();
    await still(page);
    if (await page.getByRole('button', { name: button }).isVisible()) return;
  }
  assert.fail(`no button ${button}`);
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} pathAndQuery
 */
const at = (page, pathAndQuery) => page.waitForURL((url) => url.pathname + url.search === pathAndQuery);
/** @param {import('playwright-core').Page} page */
const focused = (page) =>
  page.evaluate(
    () =>
      document.activeElement?.getAttribute('aria-label') ??
      document.activeElement?.id ??
      document.activeElement?.tagName,
  );
/** @param {import('playwright-core').Page} page */
const rows = (page) => page.locator('tbody tr[data-row]');

on(
  'a link signs in once, leaves no trace in the address, and is refused the second time',
  async (page, server) => {
    server.signedIn = false;
    const link = `${server.url}/login#link=glacis_link_${'A'.repeat(43)}`;
    await page.goto(link);
    await page.getByRole('heading', { name: 'Live' }).waitFor();
    assert.equal(page.url(), `${server.url}/`);
    const post = server.requests.find((request) => request.method === 'POST');
    assert.equal(post?.headers['x-glacis-console'], '1');
    assert.ok(server.requests.every((request) => !request.url.includes('glacis_link_')));
    server.signedIn = false;
    await page.goto('about:blank');
    await page.goto(link);
    await page.getByText('the link was used or is too old').waitFor();
    await page.getByText('glacis console').first().waitFor();
    assert.equal(page.url(), `${server.url}/login`);
  },
  { tolerated: /401|asked about:blank/ },
);

on(
  'a lost session leads to the log-in page and back to where one was',
  async (page, server) => {
    await page.goto(`${server.url}/?verdict=block&range=5m`);
    await rows(page).first().waitFor();
    server.signedIn = false;
    server.send('bye', { reason: 'signed-out' });
    await at(page, `/login?next=${encodeURIComponent('/?verdict=block&range=5m')}`);
    await page.getByLabel('Token with scope read, or link').fill(`glacis_${'T'.repeat(43)}`);
    await page.keyboard.press('Enter');
    await at(page, '/?verdict=block&range=5m');
    await rows(page).first().waitFor();
  },
  { tolerated: /401/ },
);

on(
  'a question that is refused leads to the log-in page too',
  async (page, server) => {
    server.signedIn = false;
    await page.goto(`${server.url}/decisions/${DETAIL.line.reference}`);
    await at(page, `/login?next=${encodeURIComponent(`/decisions/${DETAIL.line.reference}`)}`);
  },
  { tolerated: /401/ },
);

on(
  'signing out ends the session and shows nothing of it',
  async (page, server) => {
    await page.goto(server.url);
    await rows(page).first().waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await at(page, '/login');
    const ended = server.requests.find((request) => request.method === 'DELETE');
    assert.deepEqual([ended?.url, ended?.headers['x-glacis-console']], ['/console/v1/session', '1']);
    assert.equal(await rows(page).count(), 0);
  },
  { tolerated: /401/ },
);

on(
  'without the server the page says so, greys what it shows, and goes on by itself',
  async (page, server) => {
    await page.goto(server.url);
    await rows(page).first().waitFor();
    const port = server.port;
    await server.close();
    await page.getByText('The server does not answer.').waitFor();
    await page.getByText(/What you see is of \d\d:\d\d:\d\d/).waitFor();
    assert.equal(await page.locator('.stack.stale').count(), 1);
    const reborn = await new FixtureServer().listen(port);
    try {
      const more = LINES.map((one) => ({ ...one, row: `again-${one.row}` }));
      reborn.live = { ticks: TICKS, lines: more.slice(0, 7) };
      await page.getByText('407 kept').waitFor();
      await page.getByText('The server does not answer.').waitFor({ state: 'detached' });
      assert.equal(await page.locator('.stack.stale').count(), 0);
      const resumed = reborn.requests.find((request) => request.url === '/console/v1/live');
      assert.equal(resumed?.headers['last-event-id'], '1.1');
    } finally {
      await page.goto('about:blank');
      await reborn.close();
    }
  },
  { frozen: false, tolerated: /ERR_|asked about:blank/ },
);

on(
  'other screens load again when the server is back',
  async (page, server) => {
    await page.goto(`${server.url}/devices`);
    await page.getByText('Next 100').waitFor();
    const port = server.port;
    await server.close();
    await page.getByRole('button', { name: 'load again' }).click();
    await page.getByRole('alert').getByText('The server does not answer').waitFor();
    const reborn = await new FixtureServer().listen(port);
    try {
      await page.getByText('Next 100').waitFor();
      assert.equal(await page.getByRole('alert').count(), 0);
    } finally {
      await page.goto('about:blank');
      await reborn.close();
    }
  },
  { frozen: false, tolerated: /ERR_|asked about:blank/ },
);

on('a cell filters and excludes by mouse; the address holds it, back takes it away', async (page, server) => {
  await page.goto(server.url);
  const verdict = rows(page).filter({ hasText: 'block' }).first().locator('td:nth-child(4)');
  await pointAt(page, verdict, 'Show only block');
  await page.getByRole('button', { name: 'Show only block' }).click();
  await at(page, '/?verdict=block');
  const all = await rows(page).evaluateAll((list) =>
    list.every((row) => row.children[3]?.textContent?.includes('block')),
  );
  assert.equal(all, true);
  await page.mouse.move(5, 5);
  const born = page.locator('tbody tr[data-row="0"] td:nth-child(3)');
  const zone = (await born.locator('.cut').textContent())?.trim();
  await pointAt(page, born, `Hide ${zone}`);
  await page.getByRole('button', { name: `Hide ${zone}` }).click();
  await at(page, `/?verdict=block&-zone=${zone}`);
  await page.goBack();
  await at(page, '/?verdict=block');
  await page.reload();
  await page.locator('.chip').getByText('block').waitFor();
  await page.getByRole('button', { name: 'Drop the filter verdict block' }).click();
  await at(page, '/');
});

on('a filter can be written, and a wrong one is explained', async (page, server) => {
  await page.goto(server.url);
  const field = page.getByLabel('Add a filter');
  await field.fill('zones=edge');
  await field.press('Enter');
  await page.getByRole('alert').getByText('fields are zone, verdict').waitFor();
  await field.fill('-event=shop.view');
  await field.press('Enter');
  await at(page, '/?-event=shop.view');
});

on('pause stops the rows and counts what comes; going on shows it', async (page, server) => {
  await page.goto(server.url);
  await rows(page).first().waitFor();
  const first = await rows(page).first().textContent();
  await page.keyboard.press('p');
  const random = generator(9);
  server.send('decisions', {
    rows: Array.from({ length: 250 }, (_, n) => line(5000 + n, random, NOW + n)),
    skipped: 0,
    behind: 0,
  });
  await page.getByText('paused, 250 newer').waitFor();
  assert.equal(await rows(page).first().textContent(), first);
  await page.keyboard.press('p');
  await page.getByText('650 kept').waitFor();
  assert.notEqual(await rows(page).first().textContent(), first);
});

on('rows stand still under the pointer, and what is behind is told', async (page, server) => {
  await page.goto(server.url);
  await page.locator('tbody tr[data-row="3"] td:nth-child(5)').hover();
  const before = await rows(page).nth(3).textContent();
  server.send('decisions', { rows: [line(6000, generator(2), NOW)], skipped: 12, behind: 1240 });
  await page.getByText('behind by 1,240').waitFor();
  await page.getByText('12 not listed').waitFor();
  await page.getByRole('button', { name: '1 newer' }).waitFor();
  assert.equal(((await rows(page).nth(3).textContent()) ?? '').includes((before ?? '').slice(0, 12)), true);
  await page.mouse.move(5, 5);
  await page.getByRole('button', { name: '1 newer' }).waitFor({ state: 'detached' });
});

on('the baseline says what was measured and what is assumed', async (page, server) => {
  await page.goto(server.url);
  await page.getByRole('switch', { name: 'If everything went to the cloud' }).click();
  await at(page, '/?baseline=1');
  const text = await page.getByLabel('If everything went to the cloud').last().textContent();
  const cloud = TICKS.reduce((n, tick) => n + tick.zones.cloud.reduce((a, b) => a + b), 0);
  const all = TICKS.reduce(
    (n, tick) =>
      n +
      Object.values(tick.zones)
        .flat()
        .reduce((a, b) => a + b),
    0,
  );
  assert.ok(
    text?.includes(
      `${(all - cloud).toLocaleString('en-US')} of ${all.toLocaleString('en-US')} decisions never reached the cloud`,
    ),
    text ?? '',
  );
  assert.ok(text?.includes('Measured') && text.includes('Assumed'));
});

on('a dialog takes the focus and gives it back; keys do nothing behind it', async (page, server) => {
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Show as command' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText('glacis events tail --follow', { exact: true }).waitFor();
  await page.keyboard.press('p');
  assert.equal(await page.getByText('paused').count(), 0);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(
    await page.evaluate(() => document.activeElement?.textContent?.includes('Show as command')),
    true,
  );
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(
    await page.evaluate(() => document.activeElement?.textContent?.includes('Show as command')),
    true,
  );
});

on('keys are letters where somebody writes', async (page, server) => {
  await page.goto(server.url);
  await page.getByLabel('Add a filter').focus();
  await page.keyboard.type('pgd?jx');
  assert.equal(await page.getByLabel('Add a filter').inputValue(), 'pgd?jx');
  assert.equal(page.url(), `${server.url}/`);
});

on('a new screen has its title and the focus; skip leads past the bar', async (page, server) => {
  await page.goto(server.url);
  assert.equal(await page.title(), 'Live · Glacis');
  await page.keyboard.press('g');
  await page.keyboard.press('d');
  await at(page, '/devices');
  await page.waitForFunction(() => document.title === 'Devices · Glacis');
  assert.equal(await focused(page), 'main');
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await page.reload();
  await page.getByText('Next 100').waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await focused(page), 'main');
});

on('devices: tiers, list, search and the next page', async (page, server) => {
  await page.goto(`${server.url}/devices`);
  await page.getByRole('button', { name: 'Next 100' }).click();
  await page.getByText('140 shown').waitFor();
  await page.getByRole('button', { name: 'refused', exact: true }).click();
  await at(page, '/devices?listed=refuse');
  await page.getByText('1 shown').waitFor();
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByLabel('Find by thumbprint').fill(DEVICE.thumbprint.slice(0, 6));
  await page
    .locator('tbody tr')
    .filter({ hasText: DEVICE.thumbprint.slice(0, 16) })
    .waitFor();
  await page.getByText('1 shown').waitFor();
  await page.getByLabel('Find by thumbprint').fill('zzzz');
  await page.getByText('No device is like this.').waitFor();
});

on('a chosen theme stays after a reload', async (page, server) => {
  await page.goto(server.url);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Theme: system' }).click();
  await page.getByRole('button', { name: 'Theme: light' }).click();
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole('button', { name: 'Theme: dark' }).waitFor();
  assert.equal(await ground(), dark);
});

on(
  'nothing shifts while decisions come',
  async (page, server) => {
    await page.goto(server.url);
    await rows(page).first().waitFor();
    await page.evaluate(() => {
      const box = /** @type {any} */ (window);
      box.shift = 0;
      new PerformanceObserver((list) =>
        list.getEntries().forEach((entry) => (box.shift += /** @type {any} */ (entry).value)),
      ).observe({ type: 'layout-shift' });
    });
    const random = generator(4);
    for (let n = 0; n < 12; n += 1) {
      server.send('decisions', {
        rows: Array.from({ length: 40 }, (_, i) => line(9000 + n * 40 + i, random, NOW + n)),
        skipped: 0,
        behind: n % 3,
      });
      const tick = TICKS[n];
      assert.ok(tick);
      server.send('tick', { ...tick, at_ms: NOW + n * 1000 });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await page.getByText('880 kept').waitFor();
    const shift = await page.evaluate(() => /** @type {any} */ (window).shift);
    assert.ok(shift < 0.02, `layout shifted by ${shift}`);
  },
  { frozen: false },
);

on('private values: the outcome is shown, no value is', async (page, server) => {
  await page.goto(`${server.url}/decisions/${DETAIL.line.reference}`);
  const row = page.locator('tr').filter({ has: page.locator('td.name', { hasText: 'app.hooked' }) });
  await row.getByText('outcome disclosed, value not held').waitFor();
  await row.getByText('app.hooked || app.debugger').waitFor();
  const silent = page
    .locator('tr')
    .filter({ has: page.locator('td.name', { hasText: 'sms.otp_forwarder' }) });
  await silent.getByText('stays on the device').waitFor();
  const nought = page.locator('tr').filter({ has: page.locator('td.name', { hasText: 'user.refunds_30d' }) });
  assert.equal((await nought.locator('.answer').textContent())?.trim(), '0');
});

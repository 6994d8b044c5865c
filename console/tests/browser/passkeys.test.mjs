// Passkeys, with an authenticator of the browser's own: add one, sign out, sign in with it, remove it, and then it opens
// nothing. By mouse and by keyboard alone, against fixtures and, where `GLACIS_BIN` names a binary, against its
// demonstration, which checks what is signed. With CI=true a missing binary is a failure.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, newPage, tabTo } from './browser.mjs';
import { demo, fixtures } from './real.mjs';
import { FixtureServer } from './server.mjs';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

const binary = process.env['GLACIS_BIN'];
const WAIT_MS = 60_000;
const NAME = 'laptop of the test';

/** @typedef {import('playwright-core').Page} Page */

/**
 * Gives a page an authenticator that keeps passkeys and verifies its user.
 * @param {Page} page
 */
async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    kept: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    /** @param {boolean} isUserVerified */
    verify: (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
  };
}

/** @param {Page} page */
const live = (page) => page.getByRole('heading', { name: 'Live' }).waitFor();

/** @param {Page} page */
const onLogin = (page) => page.getByRole('heading', { name: 'Sign in to Glacis' }).waitFor();

/** @type {Record<'mouse' | 'keyboard', Record<'open' | 'add' | 'leave' | 'enter' | 'remove', (page: Page) => Promise<void>>>} */
const WAYS = {
  mouse: {
    open: async (page) => page.getByRole('link', { name: 'Passkeys' }).click(),
    add: async (page) => {
      await page.getByLabel('Name of a new one').fill(NAME);
      await page.getByRole('button', { name: 'Add a passkey' }).click();
    },
    leave: async (page) => page.getByRole('button', { name: 'Sign out' }).click(),
    enter: async (page) => page.getByRole('button', { name: 'Sign in with a passkey' }).click(),
    remove: async (page) => {
      await page.getByRole('button', { name: `Remove ${NAME}` }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    },
  },
  keyboard: {
    open: async (page) => {
      await page.keyboard.press('g');
      await page.keyboard.press('p');
    },
    add: async (page) => {
      await page.getByLabel('Name of a new one').waitFor();
      await tabTo(page, ({ id }) => id === 'passkey-name');
      await page.keyboard.type(NAME);
      await page.keyboard.press('Enter');
    },
    leave: async (page) => {
      await tabTo(page, ({ text }) => text === 'Sign out');
      await page.keyboard.press('Enter');
    },
    enter: async (page) => {
      await tabTo(page, ({ text }) => text === 'Sign in with a passkey');
      await page.keyboard.press('Enter');
    },
    remove: async (page) => {
      await page.getByRole('button', { name: `Remove ${NAME}` }).waitFor();
      await tabTo(page, ({ label }) => label === `Remove ${NAME}`);
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await tabTo(page, ({ text }) => text === 'Remove');
      await page.keyboard.press('Enter');
    },
  },
};

/**
 * @param {Page} page
 * @param {keyof typeof WAYS} way
 * @param {boolean} real Whether the server checks and remembers who signed in how.
 */
async function go(page, way, real) {
  const act = WAYS[way];
  const own = await authenticator(page);
  await act.open(page);
  await act.add(page);
  await page.getByText(`${NAME} is added.`).waitFor();
  const row = page.locator('tbody tr').filter({ hasText: NAME });
  assert.ok((await row.textContent())?.includes('never'), 'not used yet');
  assert.deepEqual(
    (await own.kept()).map(({ rpId, isResidentCredential }) => [rpId, isResidentCredential]),
    [['localhost', true]],
  );
  await act.leave(page);
  await onLogin(page);
  await own.verify(false);
  await act.enter(page);
  await page.getByRole('alert').getByText('No passkey was used').waitFor();
  await own.verify(true);
  await act.enter(page);
  // Back to where one was.
  await row.waitFor();
  if (real) {
    assert.ok(!(await row.textContent())?.includes('never'), 'used now');
    await page.getByText('a passkey adds no others').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Add a passkey' }).count(), 0);
  }
  await act.remove(page);
  if (real) await onLogin(page);
  else {
    await row.waitFor({ state: 'detached' });
    await act.leave(page);
    await onLogin(page);
  }
  assert.equal((await own.kept()).length, 1, 'the authenticator still has it');
  await act.enter(page);
  await page.getByRole('alert').getByText('the passkey is not known here').waitFor();
}

/**
 * Signs in by a link, at the name that passkeys need, and goes.
 * @param {import('./real.mjs').Host} host
 * @param {import('./browser.mjs').Look} look
 * @param {(page: Page) => Promise<void>} act
 */
async function travel(host, look, act) {
  const link = (await host.link()).replace('127.0.0.1', 'localhost');
  const { page, context, complaints } = await newPage(browser, {
    ...look,
    origin: new URL(link).origin,
    tolerated: /401/,
  });
  page.setDefaultTimeout(WAIT_MS);
  try {
    await page.goto(link);
    await live(page);
    await act(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await host.close();
  }
}

test('the passkeys have a real server where nothing may be skipped', () => {
  if (process.env['CI'] === 'true') assert.ok(binary, 'GLACIS_BIN is not set');
});

for (const way of /** @type {const} */ (['mouse', 'keyboard'])) {
  test(`a passkey from its making to its end, by ${way}: fixtures`, async () =>
    travel(await fixtures(), {}, (page) => go(page, way, false)));

  test(
    `a passkey from its making to its end, by ${way}: glacis demo`,
    { skip: binary === undefined || binary === '' },
    async () => travel(await demo(binary ?? ''), { frozen: false }, (page) => go(page, way, true)),
  );
}

test('an authenticator makes no second passkey for one console, and says so', async () => {
  await travel(await fixtures(), {}, async (page) => {
    const own = await authenticator(page);
    await WAYS.mouse.open(page);
    await WAYS.mouse.add(page);
    await page.getByText(`${NAME} is added.`).waitFor();
    await WAYS.mouse.add(page);
    await page.getByRole('alert').getByText('This authenticator has a passkey here already').waitFor();
    assert.equal((await own.kept()).length, 1);
  });
});

test('a page that did not sign in itself says so, and adds passkeys once it did', async () => {
  const host = await fixtures();
  await travel(host, {}, async (page) => {
    const tab = await page.context().newPage();
    await tab.goto(new URL('/passkeys', page.url()).href);
    await tab.getByText('this page has not signed in itself').waitFor();
    assert.equal(await tab.getByRole('button', { name: 'Add a passkey' }).count(), 0);
    await WAYS.mouse.leave(tab);
    await onLogin(tab);
    await tab.getByLabel('Token with scope read, or link').fill(await host.link());
    await tab.keyboard.press('Enter');
    await tab.getByRole('button', { name: 'Add a passkey' }).waitFor();
    const adds = () => tab.evaluate(() => sessionStorage.getItem('glacis-adds'));
    assert.ok(await adds());
    await tab.reload();
    await tab.getByRole('button', { name: 'Add a passkey' }).waitFor();
    await WAYS.mouse.leave(tab);
    await onLogin(tab);
    assert.equal(await adds(), null, 'gone with the session');
  });
});

test('at an address in numbers the page says where passkeys work, and leads there', async () => {
  const server = await new FixtureServer().listen();
  server.signedIn = false;
  const { page, context, complaints } = await newPage(browser, { tolerated: /401/ });
  try {
    await page.goto(`${server.url}/login?next=%2Fdevices`);
    await page.getByText('Browsers keep passkeys for a name').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Sign in with a passkey' }).count(), 0);
    await page.getByRole('link', { name: 'localhost' }).click();
    await page.waitForURL(`${server.named}/login?next=%2Fdevices`);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor();
    // The whole link that a terminal shows is for the other address; here its secret is as good.
    await page
      .getByLabel('Token with scope read, or link')
      .fill(`${server.url}/login#link=${[...server.links][0]}`);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${server.named}/devices`);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await server.close();
  }
});

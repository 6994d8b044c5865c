// Two thousand decisions a second for ten seconds: none is lost, the picture stays fluent, the page stays small.
//
// The floor of 30 frames a second is the promise of the page, held here with the machine's own drawing by CPU.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, newPage } from './browser.mjs';
import { NOW, TICKS, generator, line } from '../fixtures/data.mjs';
import { FixtureServer } from './server.mjs';

const SECONDS = 10;
const RATE = 2000;
const FRAMES_MIN = 30;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => void (browser = await launch()));
after(() => browser.close());

test('two thousand decisions a second leave thirty frames a second', async () => {
  const server = await new FixtureServer().listen();
  const { page, context, complaints } = await newPage(browser, { origin: server.url, frozen: false });
  try {
    await page.goto(server.url);
    await page.getByText('400 kept').waitFor();
    const counting = page.evaluate((ms) => {
      return new Promise((done) => {
        /** @type {number[]} */
        const gaps = [];
        const start = performance.now();
        let last = start;
        const frame = (/** @type {number} */ at) => {
          gaps.push(at - last);
          last = at;
          if (at - start < ms) requestAnimationFrame(frame);
          else done({ gaps, took: at - start });
        };
        requestAnimationFrame(frame);
      });
    }, SECONDS * 1000);
    const random = generator(3);
    const part = RATE / 4;
    for (let batch = 0; batch < SECONDS * 4; batch += 1) {
      const next = new Promise((resolve) => setTimeout(resolve, 245));
      const first = 1000 + batch * part;
      const rows = Array.from({ length: part }, (_, at) =>
        line(first + at, random, NOW + batch * 250 + at / 2),
      );
      server.send('decisions', { rows, skipped: 0, behind: 0 }, `${first + part}.0`);
      if (batch % 4 === 3) {
        const tick = structuredClone(TICKS[0]);
        assert.ok(tick);
        server.send('tick', {
          ...tick,
          at_ms: NOW + batch * 250,
          zones: { device: [0, 0, 80], edge: [1500, 80, 60], cloud: [200, 60, 20] },
        });
      }
      await next;
    }
    const { gaps, took } = /** @type {{ gaps: number[], took: number }} */ (await counting);
    await page.getByText('10,000 kept').waitFor();
    const rows = await page.locator('tbody tr[data-row]').count();
    const frames = (1000 * gaps.length) / took;
    const sorted = [...gaps].sort((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
    console.log(
      `measured: ${frames.toFixed(1)} frames a second at ${RATE} decisions a second, slowest hundredth ${p99.toFixed(0)} ms, ${rows} rows of elements`,
    );
    assert.ok(frames >= FRAMES_MIN, `${frames.toFixed(1)} frames a second`);
    assert.ok(rows < 80, `${rows} rows of elements for 10,000 decisions`);
    const newest = line(0, generator(1), NOW).decided_ms + (SECONDS * 4 - 1) * 250 + (part - 1) / 2;
    const shown = await page.locator('tbody tr[data-row="0"] td').first().textContent();
    assert.equal(shown, new Date(Math.round(newest)).toISOString().slice(11, 23));
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
    await server.close();
  }
});

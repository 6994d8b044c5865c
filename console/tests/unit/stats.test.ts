// What deciding early saves: shares of counts, medians of measurements, and nothing where nothing was measured.
import { expect, test } from 'vitest';
import { baseline, median, perSecond, recent, stacked, sums } from '../../src/lib/stats';
import { tick } from './make';

const took = (edge: number, cloud: number, n = 5) => ({
  took: {
    edge: { n, p50_us: edge, p99_us: edge * 3 },
    cloud: { n, p50_us: cloud, p99_us: cloud * 3 },
    resolution_us: 1000,
  },
});

test('the baseline counts what never reached the cloud', () => {
  const ticks = [tick(1000, took(0, 3000)), tick(2000, took(1000, 4000)), tick(3000, took(1000, 3000))];
  expect(baseline(ticks)).toEqual({
    total: 30,
    early: 27,
    cloud: 3,
    factor: 10,
    edge_p50_us: 1000,
    cloud_p50_us: 3000,
    saved_us: 2000,
  });
});

test('without a measurement there is no saving, and without cloud decisions no factor', () => {
  const still = tick(1000, { zones: { device: [0, 0, 0], edge: [4, 0, 0], cloud: [0, 0, 0] } });
  expect(baseline([still])).toMatchObject({ factor: null, saved_us: null, early: 4 });
  expect(baseline([])).toMatchObject({ total: 0, factor: null, saved_us: null });
});

test('a second with many decisions weighs more than one with few', () => {
  const ticks = [tick(1000, took(0, 9000, 1)), tick(2000, took(0, 2000, 50)), tick(3000, took(0, 8000, 2))];
  expect(median(ticks, 'cloud')).toBe(2000);
  expect(median(ticks, 'cloud', 'p99_us')).toBe(6000);
});

test('a second without decisions has no median', () => {
  expect(median([tick(1000, took(0, 0, 0))], 'edge')).toBeNull();
});

test('a range is seen from the newest second', () => {
  const ticks = [1, 2, 3, 4, 5].map((n) => tick(n * 1000));
  expect(recent(ticks, 2).map((one) => one.at_ms)).toEqual([4000, 5000]);
  expect(recent([], 2)).toEqual([]);
});

test('rates are counts by seconds, the ecosystem counts enrolments', () => {
  const all = sums([tick(1000, { ecosystem: { enrolled: 2, refused: 1 } }), tick(2000)]);
  expect([perSecond(all, 'edge'), perSecond(all, 'ecosystem'), perSecond(sums([]), 'edge')]).toEqual([
    8, 1.5, 0,
  ]);
});

test('areas are stacked with blocks at the foot', () => {
  expect(stacked([tick(2000)])).toEqual([[2], [2], [3], [10]]);
});

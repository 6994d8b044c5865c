// The feed: one call a frame, a bound, rows that stand still while somebody looks.
import { beforeEach, expect, test } from 'vitest';
import { Feed, KEPT, TICKS } from '../../src/lib/feed';
import { line, tick } from './make';

let frames: (() => void)[] = [];
let feed = new Feed(
  () => undefined,
  () => 0,
);
let told = 0;

const paint = () => frames.splice(0).forEach((frame) => frame());
const batch = (rows = [line()], behind = 0, skipped = 0) => ({ rows, behind, skipped });

beforeEach(() => {
  frames = [];
  told = 0;
  feed = new Feed(
    (call) => frames.push(call),
    () => 42,
  );
  feed.subscribe(() => (told += 1));
});

test('each second gives another array, by which a view knows that it changed', () => {
  feed.tick(tick(1000));
  const before = feed.ticks();
  feed.tick(tick(2000));
  expect(feed.ticks()).not.toBe(before);
  expect(feed.ticks().length).toBe(2);
});

test('however many messages come, listeners are told once a frame', () => {
  for (let n = 0; n < 500; n += 1) feed.decisions(batch());
  feed.tick(tick(1000));
  expect([frames.length, told]).toEqual([1, 0]);
  paint();
  expect(told).toBe(1);
  feed.decisions(batch());
  paint();
  expect(told).toBe(2);
});

test('it keeps at most ten thousand rows and a quarter of an hour', () => {
  for (let n = 0; n < 30; n += 1) feed.decisions(batch(Array.from({ length: 1000 }, () => line())));
  for (let n = 1; n <= 2000; n += 1) feed.tick(tick(n * 1000));
  expect([feed.length, feed.kept, feed.received]).toEqual([KEPT, KEPT, 30_000]);
  expect([feed.ticks().length, feed.ticks()[0]?.at_ms]).toEqual([TICKS, 1_101_000]);
});

test('a row that comes twice is shown once', () => {
  const rows = [line({ row: 'd7' }), line({ row: '8' })];
  feed.decisions(batch(rows));
  feed.decisions(batch([...rows, line({ row: '9' })]));
  expect(feed.rows(0, 9).map((one) => one.row)).toEqual(['9', '8', 'd7']);
});

test('while the view is held rows stand still and newer ones are counted', () => {
  feed.decisions(batch([line({ row: 'a' })]));
  feed.hold('pointed', true);
  feed.decisions(batch([line({ row: 'b' }), line({ row: 'c' })]));
  expect([feed.row(0)?.row, feed.newer, feed.length, feed.kept]).toEqual(['a', 2, 1, 3]);
  feed.hold('scrolled', true);
  feed.hold('pointed', false);
  expect([feed.row(0)?.row, feed.newer]).toEqual(['a', 2]);
  feed.hold('scrolled', false);
  expect([feed.row(0)?.row, feed.newer]).toEqual(['c', 0]);
});

test('held rows stay although the ring has gone on by more than its size', () => {
  feed.decisions(batch([line({ row: 'kept' })]));
  feed.hold('paused', true);
  for (let n = 0; n < 12; n += 1) feed.decisions(batch(Array.from({ length: 1000 }, () => line())));
  expect(feed.row(0)?.row).toBe('kept');
});

test('a pause stops the chart as well, a pointer does not', () => {
  feed.tick(tick(1000));
  feed.hold('pointed', true);
  feed.tick(tick(2000));
  expect(feed.ticks().length).toBe(2);
  feed.hold('paused', true);
  feed.tick(tick(3000));
  expect(feed.ticks().length).toBe(2);
  feed.hold('paused', false);
  expect(feed.ticks().length).toBe(3);
});

test('a filter is applied to what is kept and to what comes', () => {
  feed.decisions(batch([line({ row: '1a', zone: 'edge' }), line({ row: '1b', zone: 'cloud' })]));
  feed.filter((one) => one.zone === 'cloud');
  feed.decisions(batch([line({ row: '2a', zone: 'edge' }), line({ row: '2b', zone: 'cloud' })]));
  expect(feed.rows(0, 9).map((one) => one.row)).toEqual(['2b', '1b']);
  feed.hold('paused', true);
  feed.decisions(batch([line({ zone: 'edge' })]));
  expect(feed.newer).toBe(0);
  feed.filter(() => true);
  expect(feed.length).toBe(5);
});

test('seconds that come again or late change nothing', () => {
  feed.history({ step_ms: 1000, ticks: [tick(1000), tick(2000)] });
  feed.tick(tick(2000));
  feed.tick(tick(1000));
  feed.tick(tick(3000));
  expect(feed.ticks().map((one) => one.at_ms)).toEqual([1000, 2000, 3000]);
});

test('behind and skipped are told', () => {
  feed.decisions(batch([], 1240, 60));
  feed.decisions(batch([], 0, 40));
  expect([feed.behind, feed.skipped, feed.heardMs]).toEqual([0, 100, 42]);
});

test('another session begins with nothing', () => {
  feed.decisions(batch());
  feed.tick(tick(1000));
  feed.reset();
  expect([feed.length, feed.kept, feed.ticks().length, feed.ready]).toEqual([0, 0, 0, false]);
});

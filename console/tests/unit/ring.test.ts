// The ring keeps the newest and says what it let go.
import { expect, test } from 'vitest';
import { Ring } from '../../src/lib/ring';

test('the newest come first and the oldest go', () => {
  const ring = new Ring<number>(3);
  expect([1, 2, 3, 4, 5].map((item) => ring.push(item))).toEqual([undefined, undefined, undefined, 1, 2]);
  expect(ring.slice(0, 10)).toEqual([5, 4, 3]);
  expect([ring.at(0), ring.at(2), ring.at(3), ring.at(-1)]).toEqual([5, 3, undefined, undefined]);
  expect(ring.slice(1, 2)).toEqual([4]);
  expect(ring.length).toBe(3);
  ring.clear();
  expect([ring.length, ring.at(0)]).toEqual([0, undefined]);
});

test('a long life keeps its bound', () => {
  const ring = new Ring<number>(10_000);
  for (let item = 0; item < 250_000; item += 1) ring.push(item);
  expect(ring.length).toBe(10_000);
  expect([ring.at(0), ring.at(9_999)]).toEqual([249_999, 240_000]);
});

// Numbers and times in words, keys, virtual rows, errors.
import { expect, test, vi } from 'vitest';
import { Api, Problem, Unreachable, problemOf } from '../../src/lib/api';
import { ago, count, grouped, kindOf, micros, percent, rate, said, span } from '../../src/lib/format';
import { Keys, nameOf } from '../../src/lib/keys';
import { tell } from '../../src/lib/remedy';
import { reveal, visible } from '../../src/lib/virtual';

test('numbers read as people read them', () => {
  expect([micros(0), micros(85), micros(2340), micros(99_400), micros(1_240_000)]).toEqual([
    '< 1 ms',
    '85 µs',
    '2.3 ms',
    '99 ms',
    '1.2 s',
  ]);
  expect([rate(0), rate(0.42), rate(12.4), rate(1204)]).toEqual(['0', '0.4', '12', '1,204']);
  expect([percent(0, 0), percent(1, 3), percent(995, 1000), percent(99_999, 100_000), percent(5, 5)]).toEqual(
    ['–', '33 %', '99.5 %', '> 99.9 %', '100 %'],
  );
  expect([span(340), span(12_000), span(240_000), span(10_800_000), span(1_036_800_000)]).toEqual([
    '340 ms',
    '12 s',
    '4 min',
    '3 h',
    '12 d',
  ]);
  expect([ago(5000, 5100), ago(5000, 9000), ago(9000, 5000)]).toEqual(['now', '4 s ago', 'now']);
  expect([count(1204), grouped('7KQ2M9XA41PP'), grouped('odd')]).toEqual(['1,204', '7KQ2-M9XA-41PP', 'odd']);
});

test('a verdict that nobody knows counts as a block', () => {
  expect(['allow', 'challenge(otp)', 'block', 'something'].map(kindOf)).toEqual([
    'allow',
    'challenge',
    'block',
    'block',
  ]);
});

test('nought, nothing, unknown, error and a range are five different things', () => {
  const kinds = [
    said({ value: 0 }),
    said('missing'),
    said({ unknown: ['withheld'] }),
    said('error'),
    said({ interval: [1, 2] }),
  ];
  expect(kinds.map(({ kind, text }) => [kind, text])).toEqual([
    ['value', '0'],
    ['missing', 'none'],
    ['unknown', 'unknown'],
    ['error', 'error'],
    ['interval', '1 … 2'],
  ]);
  expect(said({ value: 'none' }).text).toBe('"none"');
  expect(said('later' as 'error')).toEqual({ text: 'later', kind: 'unknown', more: '' });
});

test('keys: single ones, sequences, and the newest layer first', () => {
  let now = 0;
  const keys = new Keys(() => now);
  const did: string[] = [];
  const bind = (name: string, tag = name) => ({ keys: name, words: '', run: () => did.push(tag) });
  keys.add('a', [bind('g l'), bind('g d'), bind('l'), bind('mod+k')]);
  const drop = keys.add('b', [bind('j|ArrowDown', 'down'), bind('l', 'right')]);
  for (const key of ['g', 'l', 'l', 'ArrowDown', 'g', 'g', 'd', 'q', 'mod+k']) keys.press(key);
  expect(did).toEqual(['g l', 'right', 'down', 'g d', 'mod+k']);
  drop();
  keys.press('g');
  now = 1500;
  keys.press('l');
  expect(did.slice(5)).toEqual(['l']);
  expect(keys.press('j')).toBe(false);
});

test('only search answers to a modifier', () => {
  const press = (key: string, more: object = {}) =>
    nameOf({ key, metaKey: false, ctrlKey: false, altKey: false, ...more });
  expect([
    press('j'),
    press('K', { metaKey: true }),
    press('k', { ctrlKey: true }),
    press('l', { ctrlKey: true }),
    press('f', { altKey: true }),
  ]).toEqual(['j', 'mod+k', 'mod+k', null, null]);
});

test('rows in the picture, and no more than those', () => {
  expect(visible(10_000, 32, 0, 320)).toEqual({ from: 0, to: 16, above: 0, below: 9984 * 32 });
  const mid = visible(10_000, 32, 32_000, 320);
  expect([mid.from, mid.to, mid.above]).toEqual([994, 1016, 994 * 32]);
  expect(visible(0, 32, 500, 320)).toEqual({ from: 0, to: 0, above: 0, below: 0 });
  const past = visible(5, 32, 9_999_999, 320);
  expect(past.to).toBeGreaterThanOrEqual(past.from);
  expect([reveal(0, 32, 100, 320), reveal(20, 32, 0, 320), reveal(3, 32, 0, 320)]).toEqual([0, 352, null]);
});

test('a change carries the header that another site cannot send, a question does not', async () => {
  const seen: RequestInit[] = [];
  const good = vi.fn();
  const fetcher = async (_: unknown, init?: RequestInit) => {
    seen.push(init ?? {});
    return new Response('{}', { status: 200 });
  };
  const api = new Api(fetcher, { good, unreachable: vi.fn(), unauthenticated: vi.fn() });
  await api.session();
  await api.signIn({ link: 'x' });
  expect(seen.map((init) => (init.headers as Record<string, string>)['X-Glacis-Console'])).toEqual([
    undefined,
    '1',
  ]);
  expect(seen.every((init) => init.credentials === 'same-origin' && init.redirect === 'error')).toBe(true);
});

test('a refused session is told once, a refused log-in is not', async () => {
  const unauthenticated = vi.fn();
  const api = new Api(async () => new Response('{"code":"unauthenticated"}', { status: 401 }), {
    good: vi.fn(),
    unreachable: vi.fn(),
    unauthenticated,
  });
  await expect(api.session()).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
  await expect(api.signIn({ token: 'x' })).rejects.toBeInstanceOf(Problem);
  expect(unauthenticated).toHaveBeenCalledTimes(1);
});

test('errors have a cause, a remedy and a code', async () => {
  const body = JSON.stringify({
    title: 'Too Many Requests',
    code: 'rate-limited',
    detail: 'five tries failed',
  });
  const limited = await problemOf(new Response(body, { status: 429, headers: { 'Retry-After': '60' } }));
  expect(limited.retryAfterS).toBe(60);
  const odd = await problemOf(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }));
  for (const error of [limited, odd, new Unreachable(), new Error('Unexpected token'), 'text']) {
    const told = tell(error);
    expect(
      Object.values(told).every((text) => text.length > 2),
      JSON.stringify(told),
    ).toBe(true);
  }
  expect(tell(odd).code).toBe('unknown');
});

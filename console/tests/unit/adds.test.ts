// What adds passkeys: kept for the tab, gone with the session, and none where the browser stores nothing.
import { afterEach, expect, test, vi } from 'vitest';
import { keep, kept } from '../../src/lib/adds';

afterEach(() => vi.unstubAllGlobals());

test('what a log-in gave is kept until another gives something else or nothing', () => {
  const values = new Map<string, string>();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => values.set(key, value),
    removeItem: (key: string) => values.delete(key),
  });
  expect(kept()).toBe(null);
  keep('one');
  keep('two');
  expect(kept()).toBe('two');
  keep(null);
  expect([kept(), values.size]).toEqual([null, 0]);
});

test('a browser that stores nothing is no error', () => {
  const refuse = () => {
    throw new DOMException('', 'SecurityError');
  };
  vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse, removeItem: refuse });
  keep('one');
  keep(null);
  expect(kept()).toBe(null);
});

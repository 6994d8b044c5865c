// Filters: what the address says is what is shown.
import { expect, test } from 'vitest';
import { matcher, parse, toggle, write, type Term } from '../../src/lib/filter';
import { line } from './make';

const of = (text: string) => parse(new URLSearchParams(text));
const shows = (text: string, over: Parameters<typeof line>[0]) => matcher(of(text))(line(over));

test('an address is read and written back', () => {
  const text = 'zone=edge&zone=cloud&-event=shop.view&verdict=challenge%28otp%29';
  expect(write(new URLSearchParams('range=5m'), of(text)).toString()).toBe(`${text}&range=5m`);
  expect(write(new URLSearchParams(`${text}&baseline=1`), []).toString()).toBe('baseline=1');
});

test('values of a field are alternatives, fields add up, an exclusion wins', () => {
  for (const [filter, over, want] of [
    ['', {}, true],
    ['zone=edge&zone=cloud', { zone: 'cloud' }, true],
    ['zone=edge&zone=cloud', { zone: 'device' }, false],
    ['zone=edge&verdict=block', { zone: 'edge', verdict: 'allow' }, false],
    ['verdict=challenge', { verdict: 'challenge(passkey)' }, true],
    ['verdict=challenge(otp)', { verdict: 'challenge(passkey)' }, false],
    ['-verdict=challenge', { verdict: 'challenge(passkey)' }, false],
    ['reason=mule', { reasons: ['burst', 'mule'] }, true],
    ['-reason=mule', { reasons: ['burst', 'mule'] }, false],
    ['principal=ana', { principal: null }, false],
    ['-principal=ana', { principal: null }, true],
    ['zone=edge&-zone=edge', { zone: 'edge' }, false],
    ['acted=no', { acted: false }, true],
  ] as const) {
    expect(shows(filter, over as Parameters<typeof line>[0]), `${filter} with ${JSON.stringify(over)}`).toBe(
      want,
    );
  }
});

test('a term that stands there twice is one', () => {
  expect(of('zone=edge&zone=edge&-zone=edge').length).toBe(2);
});

test('what is no filter narrows nothing', () => {
  expect(of('zones=edge&__proto__=x&-=y&zone=&constructor=1')).toEqual([]);
  expect(shows('zones=edge', { zone: 'cloud' })).toBe(true);
});

test('a term twice is taken away, its opposite replaces it', () => {
  const term: Term = { field: 'zone', value: 'edge', exclude: false };
  expect(toggle([], term)).toEqual([term]);
  expect(toggle([term], term)).toEqual([]);
  expect(toggle([term], { ...term, exclude: true })).toEqual([{ ...term, exclude: true }]);
});

test('any text survives the address', () => {
  for (const value of ['<img src=x onerror=alert(1)>', 'a&b=c#d', '=', '%00', 'ä→\u0000', '-zone']) {
    const terms: Term[] = [{ field: 'principal', value, exclude: true }];
    expect(parse(new URLSearchParams(write(new URLSearchParams(), terms).toString()))).toEqual(terms);
  }
});

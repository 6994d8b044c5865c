// Addresses: which screen, and where a log-in may lead.
import { expect, test } from 'vitest';
import { decisionPath, devicePath, linkOf, parseRoute, plain, safeNext } from '../../src/lib/route';

test('each address has one screen', () => {
  for (const [path, want] of [
    ['/', { screen: 'live' }],
    ['/live', { screen: 'live' }],
    ['/decisions/7kq2-m9xa-41pp', { screen: 'decision', reference: '7KQ2M9XA41PP' }],
    ['/devices', { screen: 'devices' }],
    ['/devices/', { screen: 'devices' }],
    ['/devices/ab12', { screen: 'device', thumbprint: 'ab12' }],
    ['/passkeys', { screen: 'passkeys' }],
    ['/passkeys/1', { screen: 'lost' }],
    ['/login', { screen: 'login' }],
    ['/decisions', { screen: 'lost' }],
    ['/decisions/a/b', { screen: 'lost' }],
    ['/anything', { screen: 'lost' }],
    ['/devices/%E0%A4%A', { screen: 'device', thumbprint: '%E0%A4%A' }],
  ] as const) {
    expect(parseRoute(path), path).toEqual(want);
  }
});

test('a path is made of any text and leads back to it', () => {
  for (const text of ['a/b', '..', '<b>', '%', 'ä']) {
    expect(parseRoute(devicePath(text))).toEqual({ screen: 'device', thumbprint: text });
    expect(parseRoute(decisionPath(text))).toEqual({ screen: 'decision', reference: plain(text) });
  }
});

test('a log-in leads to a screen of ours and nowhere else', () => {
  for (const [asked, want] of [
    ['/decisions/ABC?x=1', '/decisions/ABC?x=1'],
    ['/?zone=edge', '/?zone=edge'],
    [null, '/'],
    ['https://evil.example/', '/'],
    ['//evil.example/', '/'],
    ['/\\evil.example', '/'],
    ['javascript:alert(1)', '/'],
    ['/login?next=/login', '/'],
    ['/nothing/here', '/'],
    ['', '/'],
  ] as const) {
    expect(safeNext(asked), String(asked)).toBe(want);
  }
});

test('a link is known by its secret, also as a whole address', () => {
  for (const [given, want] of [
    ['glacis_link_A', 'glacis_link_A'],
    ['any://127.0.0.1:7405/login#link=glacis_link_A', 'glacis_link_A'],
    ['glacis_token', null],
    ['any://127.0.0.1:7405/login#link=glacis_token', null],
    ['', null],
  ] as const) {
    expect(linkOf(given), given).toBe(want);
  }
});

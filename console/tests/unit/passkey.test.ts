// Passkeys: where they can be used, and what goes to the browser and comes back.
import { expect, test } from 'vitest';
import { bytesOf, creation, namedAddress, placeOf, request, textOf } from '../../src/lib/passkey';
import { tell } from '../../src/lib/remedy';
import { ASKED, WANTED } from '../fixtures/data.mjs';

test('passkeys are used by the one name of this machine, where the browser has them', () => {
  const able = { PublicKeyCredential: class {} };
  for (const [hostname, browser, want] of [
    ['localhost', able, 'here'],
    ['localhost', {}, 'nowhere'],
    ['127.0.0.1', able, 'elsewhere'],
    ['[::1]', able, 'elsewhere'],
    ['127.0.0.1', {}, 'elsewhere'],
  ] as const) {
    expect(placeOf({ hostname }, browser), hostname).toBe(want);
  }
  const page = { protocol: 'http:', port: '7405', pathname: '/login', search: '?next=%2Fdevices' };
  expect(namedAddress(page)).toBe(['http:', '', 'localhost:7405', 'login?next=%2Fdevices'].join('/'));
  expect(namedAddress({ ...page, port: '' })).toBe(
    ['http:', '', 'localhost', 'login?next=%2Fdevices'].join('/'),
  );
});

test('bytes come back as they went, in every length', () => {
  for (let length = 0; length < 70; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 37 + length) % 256);
    const text = textOf(bytes.buffer);
    expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
    expect([...bytesOf(text)]).toEqual([...bytes]);
  }
});

test('an authenticator is asked for a verified user and a passkey that it keeps itself', () => {
  const wanted = creation({ ...WANTED, known: ['AQID'] });
  expect(wanted.authenticatorSelection).toEqual({
    residentKey: 'required',
    requireResidentKey: true,
    userVerification: 'required',
  });
  expect([wanted.rp.id, wanted.attestation]).toEqual(['localhost', 'none']);
  expect(wanted.pubKeyCredParams.map(({ alg }) => alg)).toEqual([-7, -8, -257]);
  expect(wanted.excludeCredentials?.map(({ id }) => [...(id as Uint8Array)])).toEqual([[1, 2, 3]]);
  const asked = request(ASKED);
  expect([asked.rpId, asked.userVerification, asked.allowCredentials]).toEqual([
    'localhost',
    'required',
    undefined,
  ]);
});

test('what an authenticator refuses has a remedy', () => {
  for (const [name, title] of [
    ['InvalidStateError', 'This authenticator has a passkey here already'],
    ['NotAllowedError', 'No passkey was used'],
    ['AbortError', 'No passkey was used'],
  ] as const) {
    const told = tell(new DOMException('', name));
    expect([told.title, told.code]).toEqual([title, name]);
    expect(told.remedy.length).toBeGreaterThan(20);
  }
});

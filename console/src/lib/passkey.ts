// Passkeys: what the server asks for, given to the browser, and what the browser says, given to the server.
//
// Browsers have passkeys for names only, and of this machine's names `localhost` is the one. The answer goes to the server
// as the text of its JSON, so that what is verified there is what was made here.

import type { Asked, Wanted } from './api';

/** Where passkeys can be used: here, or why not. */
export type Place = 'here' | 'elsewhere' | 'nowhere';

export function placeOf(page: { hostname: string }, browser: { PublicKeyCredential?: unknown }): Place {
  if (page.hostname !== 'localhost') return 'elsewhere';
  return typeof browser.PublicKeyCredential === 'function' ? 'here' : 'nowhere';
}

/** This page by the name that passkeys need. */
export function namedAddress(page: {
  protocol: string;
  port: string;
  pathname: string;
  search: string;
}): string {
  const port = page.port === '' ? '' : `:${page.port}`;
  return `${page.protocol}//localhost${port}${page.pathname}${page.search}`;
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function textOf(bytes: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function creation(wanted: Wanted): PublicKeyCredentialCreationOptions {
  return {
    challenge: bytesOf(wanted.challenge),
    rp: { id: wanted.relying_party, name: 'Glacis' },
    user: { id: bytesOf(wanted.user), name: wanted.user_name, displayName: wanted.user_name },
    pubKeyCredParams: wanted.algorithms.map((alg) => ({ type: 'public-key', alg })),
    timeout: wanted.timeout_ms,
    excludeCredentials: wanted.known.map((id) => ({ type: 'public-key', id: bytesOf(id) })),
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: 'none',
  };
}

export function request(asked: Asked): PublicKeyCredentialRequestOptions {
  return {
    challenge: bytesOf(asked.challenge),
    rpId: asked.relying_party,
    timeout: asked.timeout_ms,
    userVerification: 'required',
  };
}

/** Has an authenticator make a passkey; gives the registration. */
export async function make(wanted: Wanted): Promise<string> {
  const made = (await navigator.credentials.create({ publicKey: creation(wanted) })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  return answer(made, {
    attestationObject: textOf(response.attestationObject),
    clientDataJSON: textOf(response.clientDataJSON),
  });
}

/** Has an authenticator sign; gives the assertion. */
export async function sign(asked: Asked): Promise<string> {
  const signed = (await navigator.credentials.get({ publicKey: request(asked) })) as PublicKeyCredential;
  const response = signed.response as AuthenticatorAssertionResponse;
  return answer(signed, {
    authenticatorData: textOf(response.authenticatorData),
    clientDataJSON: textOf(response.clientDataJSON),
    signature: textOf(response.signature),
    userHandle: response.userHandle === null ? null : textOf(response.userHandle),
  });
}

function answer(credential: PublicKeyCredential, response: Record<string, string | null>): string {
  const id = textOf(credential.rawId);
  return JSON.stringify({ id, rawId: id, type: credential.type, response });
}

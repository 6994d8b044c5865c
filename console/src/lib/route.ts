// Addresses of the screens. What is no screen of ours is `lost`, and says so.

export type Route =
  | { screen: 'live' }
  | { screen: 'decision'; reference: string }
  | { screen: 'devices' }
  | { screen: 'device'; thumbprint: string }
  | { screen: 'passkeys' }
  | { screen: 'login' }
  | { screen: 'lost' };

export function parseRoute(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  const [head, name, ...rest] = parts.map(decoded);
  if (rest.length > 0) return { screen: 'lost' };
  if (head === undefined || (head === 'live' && name === undefined)) return { screen: 'live' };
  if (head === 'decisions' && name !== undefined) return { screen: 'decision', reference: plain(name) };
  if (head === 'devices')
    return name === undefined ? { screen: 'devices' } : { screen: 'device', thumbprint: name };
  if (head === 'passkeys' && name === undefined) return { screen: 'passkeys' };
  if (head === 'login' && name === undefined) return { screen: 'login' };
  return { screen: 'lost' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A reference as it is stored: twelve characters, without dashes, in capitals. */
export function plain(reference: string): string {
  return reference.replace(/[\s-]/g, '').toUpperCase();
}

export const decisionPath = (reference: string) => `/decisions/${encodeURIComponent(plain(reference))}`;
export const devicePath = (thumbprint: string) => `/devices/${encodeURIComponent(thumbprint)}`;

/** What somebody pasted as a link: the secret of it, also out of its whole address; null where it is none. */
export function linkOf(given: string): string | null {
  const secret = given.split('#link=').at(-1) ?? '';
  return secret.startsWith('glacis_link_') ? secret : null;
}

/** Where to go after a log-in: a path of this page, whatever the address says. */
export function safeNext(asked: string | null): string {
  if (asked === null || !asked.startsWith('/') || asked.startsWith('//') || asked.includes('\\')) return '/';
  const path = asked.split(/[?#]/)[0] ?? '/';
  const screen = parseRoute(path).screen;
  return screen === 'lost' || screen === 'login' ? '/' : asked;
}

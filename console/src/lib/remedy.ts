// What somebody can do about an error, by its code. Codes are stable; a code that is not here has its status.

import { Problem, Unreachable } from './api';

export interface Told {
  title: string;
  cause: string;
  remedy: string;
  code: string;
}

const REMEDIES: Record<string, string> = {
  unauthenticated: 'Sign in again: `glacis console` prints a new link.',
  forbidden: 'Sign out, then in again by a link from `glacis console` or a token.',
  'cross-site': 'Open the console by the address that `glacis console` prints, and not through another page.',
  'not-found':
    'Check the characters. Decisions older than their retention are gone, and their references with them.',
  'rate-limited': 'Wait a minute, then try again. A new link is printed by `glacis console`.',
};

export function tell(error: unknown): Told {
  if (error instanceof Unreachable) {
    return {
      title: 'The server does not answer',
      cause: 'No connection to the console could be made.',
      remedy: 'Is `glacis serve` or `glacis demo` still running? The page tries again by itself.',
      code: 'unreachable',
    };
  }
  if (error instanceof DOMException) return tellOfAuthenticator(error);
  if (error instanceof Problem) {
    const fallback =
      error.status === 429
        ? `Try again in ${error.retryAfterS ?? 60} s.`
        : error.status >= 500
          ? 'Try again. If it stays, the log of the server names the cause.'
          : 'Go back and try another way.';
    return {
      title: error.title,
      cause: error.detail ?? `The server answered ${error.status}.`,
      remedy: REMEDIES[error.code] ?? fallback,
      code: error.code,
    };
  }
  return {
    title: 'The answer could not be read',
    cause: error instanceof Error ? error.message : 'It has another form than this page knows.',
    remedy: 'Reload the page: server and page may be of different versions.',
    code: 'unreadable',
  };
}

/** What a browser says when there is no passkey to be had (Web Authentication Level 3 §5.1.3 and §5.1.4). */
function tellOfAuthenticator(error: DOMException): Told {
  if (error.name === 'InvalidStateError') {
    return {
      title: 'This authenticator has a passkey here already',
      cause: 'It makes one for each console.',
      remedy: 'Sign in with that one, or take another authenticator.',
      code: error.name,
    };
  }
  return {
    title: 'No passkey was used',
    cause: 'It was called off, took too long, or this browser has none for here that knows its user.',
    remedy: 'Try again. A link from `glacis console` works without one.',
    code: error.name,
  };
}

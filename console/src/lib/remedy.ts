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

// What this page was told when it signed in, to add passkeys with.
//
// A browser sends the cookie of a session to every server of this machine, whatever its port, so the cookie alone adds
// none. Session storage is of one origin, port included, and of one tab.

const KEY = 'glacis-adds';

/** None where the page did not sign in itself, or not by a link or a token. */
export function kept(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function keep(adds: string | null): void {
  try {
    if (adds === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, adds);
  } catch {
    // A browser that stores nothing adds no passkeys, and the page says so.
  }
}

// What the whole page shares: where it is, who is signed in, whether the server answers, and the live data.

import { createSubscriber } from 'svelte/reactivity';
import { keep } from './adds';
import { Api, type Batch, type History, type Session, type SignedIn, type Tick, BASE } from './api';
import { Feed } from './feed';
import { matcher, parse, toggle, write, type Term } from './filter';
import { Keys } from './keys';
import { parseRoute, safeNext, type Route } from './route';
import { Stream, type Link, backoff } from './stream';

class App {
  path = $state(location.pathname);
  search = $state(location.search);
  session = $state.raw<Session | null>(null);
  /** The stream's state, on the live page. */
  link = $state<Link>('connecting');
  retryAtMs = $state<number | null>(null);
  /** Since when no call finds the server. */
  lostSinceMs = $state<number | null>(null);
  lastGoodMs = $state<number | null>(null);
  /** Grows when the server answers again: who shows an error loads anew. */
  revived = $state(0);
  /** Wall clock, once a second. */
  now = $state(Date.now());

  readonly route: Route = $derived(parseRoute(this.path));
  readonly params: URLSearchParams = $derived(new URLSearchParams(this.search));
  readonly terms: Term[] = $derived(parse(this.params));

  readonly feed = new Feed(
    (call) => requestAnimationFrame(call),
    () => Date.now(),
  );
  readonly keys = new Keys(() => Date.now());
  readonly api = new Api((input, init) => fetch(input, init), {
    good: () => this.good(),
    unreachable: () => this.unreachable(),
    unauthenticated: () => this.signedOut(),
  });
  private readonly follow = createSubscriber((update) => this.feed.subscribe(update));
  private stream: Stream | null = null;
  private pinging = false;

  /** The feed, read so that who reads is told of changes. */
  live(): Feed {
    this.follow();
    return this.feed;
  }

  start(): void {
    addEventListener('popstate', () => this.read());
    setInterval(() => (this.now = Date.now()), 1000);
  }

  go(to: string, replace = false): void {
    if (replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    this.read();
  }

  setTerms(terms: Term[], replace = false): void {
    this.setParams(write(this.params, terms), replace);
  }

  toggleTerm(term: Term): void {
    this.setTerms(toggle(this.terms, term));
  }

  setParam(key: string, value: string | null): void {
    const params = new URLSearchParams(this.params);
    if (value === null || value === '') params.delete(key);
    else params.set(key, value);
    this.setParams(params, true);
  }

  private setParams(params: URLSearchParams, replace: boolean): void {
    const text = params.toString();
    this.go(this.path + (text === '' ? '' : `?${text}`), replace);
  }

  private read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }

  filterFeed(): void {
    this.feed.filter(matcher(this.terms));
  }

  connect(): void {
    if (this.stream !== null) return;
    this.stream = new Stream(`${BASE}/live`, {
      message: ({ event, data }) => this.heard(event, data),
      link: (state, retryAtMs) => {
        this.link = state;
        this.retryAtMs = retryAtMs;
        if (state === 'open') this.good();
      },
      unauthenticated: () => this.signedOut(),
    });
    this.stream.start();
  }

  disconnect(): void {
    this.stream?.stop();
    this.stream = null;
  }

  retry(): void {
    this.stream?.retry();
    void this.api.session().catch(() => undefined);
  }

  signedIn({ adds, ...session }: SignedIn): void {
    this.session = session;
    keep(adds);
  }

  async signOut(): Promise<void> {
    await this.api.signOut().catch(() => undefined);
    this.signedOut();
  }

  /** To the log-in page, which keeps where one was. */
  signedOut(): void {
    this.session = null;
    keep(null);
    this.disconnect();
    this.feed.reset();
    if (this.route.screen === 'login') return;
    const here = safeNext(this.path + this.search);
    this.go(here === '/' ? '/login' : `/login?next=${encodeURIComponent(here)}`, true);
  }

  private heard(event: string, data: string): void {
    this.lastGoodMs = Date.now();
    if (event === 'decisions') this.feed.decisions(JSON.parse(data) as Batch);
    else if (event === 'tick') this.feed.tick(JSON.parse(data) as Tick);
    else if (event === 'history') this.feed.history(JSON.parse(data) as History);
    else if (event === 'bye' && (JSON.parse(data) as { reason: string }).reason === 'signed-out')
      this.signedOut();
  }

  private good(): void {
    this.lastGoodMs = Date.now();
    if (this.lostSinceMs === null) return;
    this.lostSinceMs = null;
    this.revived += 1;
  }

  private unreachable(): void {
    this.lostSinceMs ??= Date.now();
    if (!this.pinging) void this.ping();
  }

  /** Asks until somebody answers. */
  private async ping(): Promise<void> {
    this.pinging = true;
    for (let failures = 0; this.lostSinceMs !== null; failures += 1) {
      await new Promise((resolve) => setTimeout(resolve, backoff(failures, Math.random())));
      if (this.lostSinceMs !== null) await this.api.session().catch(() => undefined);
    }
    this.pinging = false;
  }
}

export const app = new App();

// Server-sent events over fetch: unlike EventSource it tells a refused session from a lost server, and backs off.

export interface Message {
  event: string;
  data: string;
  id: string | null;
}

/** Cuts a stream of text into messages. Feed it pieces of any size. */
export class Decoder {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id: string | null = null;

  push(piece: string): Message[] {
    const out: Message[] = [];
    const text = this.rest + piece;
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n', from);
      if (end < 0) break;
      const line = text.slice(from, text[end - 1] === '\r' ? end - 1 : end);
      from = end + 1;
      const message = this.line(line);
      if (message !== null) out.push(message);
    }
    this.rest = text.slice(from);
    return out;
  }

  private line(line: string): Message | null {
    if (line === '') {
      const message = { event: this.event || 'message', data: this.data.join('\n'), id: this.id };
      const whole = this.data.length > 0;
      this.event = '';
      this.data = [];
      return whole ? message : null;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
    return null;
  }
}

export type Link = 'connecting' | 'open' | 'lost' | 'ended';

export interface Handlers {
  message(message: Message): void;
  link(state: Link, retryAtMs: number | null): void;
  unauthenticated(): void;
}

/** Doubles from one second to thirty, with a fifth of chance in it, so that many pages do not come at once. */
export function backoff(failures: number, chance: number): number {
  const base = Math.min(30_000, 1000 * 2 ** Math.min(failures, 5));
  return Math.round(base * (0.9 + 0.2 * chance));
}

/** Without a byte for so long (the server's heart beats every ten seconds) the line is dead. */
const SILENCE_MS = 25_000;

export class Stream {
  private stopped = false;
  private failures = 0;
  private lastId: string | null = null;
  private abort: AbortController | null = null;
  private wake: (() => void) | null = null;

  constructor(
    private readonly url: string,
    private readonly handlers: Handlers,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  start(): void {
    void this.run();
  }

  stop(): void {
    this.stopped = true;
    this.abort?.abort();
    this.wake?.();
  }

  /** Tries again now. */
  retry(): void {
    this.wake?.();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      this.handlers.link('connecting', null);
      const ended = await this.once();
      if (this.stopped) return;
      if (ended === 'unauthenticated') {
        this.handlers.link('ended', null);
        this.handlers.unauthenticated();
        return;
      }
      const wait = backoff(this.failures, Math.random());
      this.failures += 1;
      this.handlers.link('lost', Date.now() + wait);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = null;
    }
  }

  private async once(): Promise<'lost' | 'unauthenticated'> {
    const abort = new AbortController();
    this.abort = abort;
    let silence = setTimeout(() => abort.abort(), SILENCE_MS);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (this.lastId !== null) headers['Last-Event-ID'] = this.lastId;
      const init: RequestInit = {
        headers,
        signal: abort.signal,
        credentials: 'same-origin',
        cache: 'no-store',
      };
      const response = await this.fetcher(this.url, init);
      if (response.status === 401) return 'unauthenticated';
      if (!response.ok || response.body === null) return 'lost';
      this.handlers.link('open', null);
      const decoder = new Decoder();
      const text = new TextDecoder();
      const reader = response.body.getReader();
      abort.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'lost';
        clearTimeout(silence);
        silence = setTimeout(() => abort.abort(), SILENCE_MS);
        for (const message of decoder.push(text.decode(value, { stream: true }))) {
          this.failures = 0;
          if (message.id !== null) this.lastId = message.id;
          this.handlers.message(message);
        }
      }
    } catch {
      return 'lost';
    } finally {
      clearTimeout(silence);
    }
  }
}

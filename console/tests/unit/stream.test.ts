// The stream: messages cut anywhere, a back-off, the place where it goes on, and a refused session that ends it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Decoder, Stream, backoff, type Link, type Message } from '../../src/lib/stream';

const TEXT =
  ': beat\n\nevent: tick\ndata: {"a":1}\n\nid: 12.3\r\nevent: decisions\r\ndata: one\r\ndata:two\r\n\r\nretry: 5\n\ndata\n\n';
const WANT: Message[] = [
  { event: 'tick', data: '{"a":1}', id: null },
  { event: 'decisions', data: 'one\ntwo', id: '12.3' },
  { event: 'message', data: '', id: '12.3' },
];

test('messages are the same wherever the stream is cut', () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const decoder = new Decoder();
    const got: Message[] = [];
    for (let at = 0; at < TEXT.length; at += size) got.push(...decoder.push(TEXT.slice(at, at + size)));
    expect(got, `pieces of ${size}`).toEqual(WANT);
  }
});

test('a message that does not end is none', () => {
  expect(new Decoder().push('event: tick\ndata: {"a"')).toEqual([]);
});

test('waits double up to half a minute', () => {
  expect([0, 1, 2, 3, 4, 5, 99].map((n) => backoff(n, 0.5))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
  expect([backoff(0, 0), backoff(0, 1)]).toEqual([900, 1100]);
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function body(...pieces: string[]): Response {
  const bytes = new TextEncoder();
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(bytes.encode(piece));
        controller.close();
      },
    }),
  );
}

function watch(answers: (() => Response | Promise<Response>)[]) {
  const heard: Message[] = [];
  const links: Link[] = [];
  const asked: (string | undefined)[] = [];
  let refused = 0;
  const stream = new Stream(
    '/live',
    {
      message: (message) => heard.push(message),
      link: (state) => links.push(state),
      unauthenticated: () => (refused += 1),
    },
    async (_, init) => {
      asked.push((init?.headers as Record<string, string>)['Last-Event-ID']);
      const answer = answers.shift();
      if (answer === undefined) throw new TypeError('nobody there');
      return answer();
    },
  );
  return { stream, heard, links, asked, refused: () => refused };
}

test('after a loss it goes on behind the last message it had', async () => {
  const seen = watch([
    () => body('id: 7.1\ndata: a\n', '\n'),
    () => {
      throw new TypeError('nobody there');
    },
    () => body('id: 9.1\ndata: b\n\n'),
  ]);
  seen.stream.start();
  await vi.advanceTimersByTimeAsync(20_000);
  seen.stream.stop();
  expect(seen.heard.map((message) => message.data)).toEqual(['a', 'b']);
  expect(seen.asked.slice(0, 3)).toEqual([undefined, '7.1', '7.1']);
  expect(seen.links.slice(0, 4)).toEqual(['connecting', 'open', 'lost', 'connecting']);
});

test('a refused session ends it, at once and for good', async () => {
  const seen = watch([() => new Response(null, { status: 401 }), () => body('data: never\n\n')]);
  seen.stream.start();
  await vi.advanceTimersByTimeAsync(120_000);
  expect([seen.refused(), seen.asked.length, seen.heard.length]).toEqual([1, 1, 0]);
  expect(seen.links).toEqual(['connecting', 'ended']);
});

test('a line that falls silent is taken for dead', async () => {
  const silent = new Response(
    new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([58, 10])) }),
  );
  const seen = watch([() => silent]);
  seen.stream.start();
  await vi.advanceTimersByTimeAsync(24_000);
  expect(seen.links).toEqual(['connecting', 'open']);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(seen.links).toEqual(['connecting', 'open', 'lost']);
  seen.stream.stop();
});

test('stopped means that nobody asks again', async () => {
  const seen = watch([]);
  seen.stream.start();
  await vi.advanceTimersByTimeAsync(10);
  seen.stream.stop();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(seen.asked.length).toBe(1);
});

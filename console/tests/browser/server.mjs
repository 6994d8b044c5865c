// A server for the tests of the page: the files of dist/ under the real Content-Security-Policy, and answers that
// a test sets. It checks what the real one checks: the session, the header of a change, where it comes from.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as data from '../fixtures/data.mjs';
import { DETAIL, DEVICE, REPLAY, detailOf } from '../fixtures/detail.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

export class FixtureServer {
  /** Every request, for the test to look at. @type {{ method: string, url: string, headers: import('node:http').IncomingHttpHeaders, body: string }[]} */
  requests = [];
  /** Answers by path, before the usual ones. @type {Map<string, () => { status: number, body: unknown, delayMs?: number }>} */
  overrides = new Map();
  /** The name of the passkey that is being added. */
  adding = '';
  /** @type {Set<import('node:http').ServerResponse>} */
  streams = new Set();
  signedIn = true;
  links = new Set(['glacis_link_' + 'A'.repeat(43)]);
  /** What a stream begins with. @type {{ ticks: data.Tick[], lines: data.Line[] }} */
  live = { ticks: data.TICKS, lines: data.LINES };
  detail = DETAIL;
  device = DEVICE;
  passkeys = data.PASSKEYS;
  /** Why nobody adds a passkey. @type {string | null} */
  whyNot = null;
  /** Passkeys by the name of their credential. @type {Map<string, number>} */
  credentials = new Map();
  port = 0;

  constructor() {
    this.http = createServer((request, response) => void this.answer(request, response));
  }

  /** @param {number} port */
  async listen(port = 0) {
    await new Promise((resolve, reject) => {
      this.http.once('error', reject);
      this.http.listen(port, '127.0.0.1', () => resolve(undefined));
    });
    const address = this.http.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.port = address.port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The same by the name that passkeys need. */
  get named() {
    return `http://localhost:${this.port}`;
  }

  async close() {
    for (const stream of this.streams) stream.destroy();
    this.streams.clear();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /**
   * @param {string} event
   * @param {unknown} body
   * @param {string} [id]
   */
  send(event, body, id) {
    const text = `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(body)}\n\n`;
    for (const stream of this.streams) stream.write(text);
  }

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  async answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', this.url);
    const method = request.method ?? 'GET';
    this.requests.push({ method, url: url.pathname + url.search, headers: request.headers, body });
    response.setHeader('Content-Security-Policy', CSP);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    if (url.pathname.startsWith('/console/v1/')) await this.api(method, url, request, body, response);
    else await this.file(url.pathname, response);
  }

  /**
   * @param {string} path
   * @param {import('node:http').ServerResponse} response
   */
  async file(path, response) {
    const name = path.startsWith('/assets/') ? normalize(path).slice(1) : 'index.html';
    try {
      const bytes = await readFile(join(DIST, name));
      const type = /** @type {Record<string, string>} */ (TYPES)[extname(name)] ?? 'application/octet-stream';
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-cache' }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {import('node:http').IncomingMessage} request
   * @param {string} body
   * @param {import('node:http').ServerResponse} response
   */
  async api(method, url, request, body, response) {
    const path = url.pathname.slice('/console/v1'.length);
    const override = this.overrides.get(path);
    if (override !== undefined) {
      const { status, body: said, delayMs } = override();
      if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs));
      return json(response, status, said);
    }
    if (method !== 'GET') {
      const origin = request.headers.origin;
      const same =
        request.headers['x-glacis-console'] === '1' &&
        (origin === undefined || [this.url, this.named].includes(origin));
      if (!same) return problem(response, 403, 'cross-site', 'Forbidden');
    }
    if (path === '/session' && method === 'POST') return this.signIn(body, response);
    if (path === '/session/challenge') return json(response, 200, data.ASKED);
    if (!this.signedIn) return problem(response, 401, 'unauthenticated', 'Unauthorized');
    if (path === '/session' && method === 'DELETE') {
      this.signedIn = false;
      return response.writeHead(204).end();
    }
    if (path === '/session') return json(response, 200, data.SESSION);
    if (path.startsWith('/passkeys')) return this.passkey(method, path, body, response);
    if (path === '/overview') return json(response, 200, data.OVERVIEW);
    if (path === '/live') return this.stream(response);
    if (path === '/devices') return json(response, 200, data.devicePage(url.searchParams));
    if (path === `/devices/${this.device.thumbprint}`) return json(response, 200, this.device);
    if (path === '/search') return json(response, 200, this.search(url.searchParams.get('q') ?? ''));
    const [, reference, replay] = /^\/decisions\/([^/]+)(\/replay)?$/.exec(path) ?? [];
    const own = reference === this.detail.line.reference ? this.detail.line : undefined;
    const line = own ?? this.live.lines.find((one) => one.reference !== null && one.reference === reference);
    if (line !== undefined) {
      const detail = own === undefined ? detailOf(line) : this.detail;
      return json(
        response,
        200,
        replay === undefined ? detail : { ...REPLAY, version: Number(url.searchParams.get('version')) },
      );
    }
    return problem(response, 404, 'not-found', 'Not Found');
  }

  /**
   * @param {string} body
   * @param {import('node:http').ServerResponse} response
   */
  signIn(body, response) {
    const { link, token, passkey } = JSON.parse(body);
    const known = passkey !== undefined && this.credentials.has(JSON.parse(passkey.assertion).id);
    if (passkey !== undefined && !known)
      return problem(response, 401, 'unauthenticated', 'Unauthorized', 'the passkey is not known here');
    const good = known || this.links.delete(link) || token === `glacis_${'T'.repeat(43)}`;
    if (!good)
      return problem(response, 401, 'unauthenticated', 'Unauthorized', 'the link was used or is too old');
    this.signedIn = true;
    return json(response, 201, known ? { ...data.SIGNED_IN, adds: null } : data.SIGNED_IN);
  }

  /**
   * Keeps passkeys by their names; what is signed is the server's matter.
   * @param {string} method
   * @param {string} path
   * @param {string} body
   * @param {import('node:http').ServerResponse} response
   */
  passkey(method, path, body, response) {
    if (path === '/passkeys/challenge') {
      const { name, adds } = JSON.parse(body);
      if (adds !== data.SIGNED_IN.adds)
        return problem(response, 403, 'forbidden', 'Forbidden', 'this page has not signed in itself');
      this.adding = name;
      return json(response, 200, { ...data.WANTED, known: [...this.credentials.keys()] });
    }
    if (method === 'POST') {
      const id = Math.max(0, ...this.passkeys.map((passkey) => passkey.id)) + 1;
      const made = { id, name: this.adding, by: data.SESSION.actor, made_ms: data.NOW, used_ms: null };
      this.passkeys = [made, ...this.passkeys];
      this.credentials.set(JSON.parse(JSON.parse(body).registration).id, id);
      return json(response, 201, made);
    }
    if (method === 'GET') return json(response, 200, { passkeys: this.passkeys, why_not: this.whyNot });
    const id = Number(path.split('/')[2]);
    this.passkeys = this.passkeys.filter((passkey) => passkey.id !== id);
    for (const [credential, own] of this.credentials) if (own === id) this.credentials.delete(credential);
    return response.writeHead(204).end();
  }

  /** @param {string} q */
  search(q) {
    const asked = q.replaceAll('-', '').toUpperCase();
    const lines = [...this.live.lines, this.detail.line].reverse();
    const hits = lines.filter((line) => line.reference?.startsWith(asked) || line.event === q).slice(0, 10);
    return {
      decisions: hits.map(({ reference, event, verdict, decided_ms }) => ({
        reference,
        event,
        verdict,
        decided_ms,
      })),
      devices: data.DEVICES.filter(
        (device) => q.length >= 4 && device.thumbprint.startsWith(q.toLowerCase()),
      ).slice(0, 10),
    };
  }

  /** @param {import('node:http').ServerResponse} response */
  stream(response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
    response.write(`event: history\ndata: ${JSON.stringify({ step_ms: 1000, ticks: this.live.ticks })}\n\n`);
    if (this.live.lines.length > 0) {
      response.write(
        `event: decisions\nid: 1.1\ndata: ${JSON.stringify({ rows: this.live.lines, skipped: 0, behind: 0 })}\n\n`,
      );
    }
  }
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {unknown} body
 */
function json(response, status, body) {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(JSON.stringify(body));
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {string} code
 * @param {string} title
 * @param {string} [detail]
 */
function problem(response, status, code, title, detail) {
  json(response, status, { type: 'about:blank', title, status, code, detail });
}

// Who answers the journeys: the fixtures, or the demonstration of a `glacis` binary.
//
// `GLACIS_BIN` names the binary. It is started without a terminal and ended by its own process id.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DETAIL, DEVICE } from '../fixtures/detail.mjs';
import { FixtureServer } from './server.mjs';

const START_MS = 60_000;

/**
 * @typedef {object} Host
 * @property {() => Promise<string>} link A new log-in link.
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<Host>} */
export async function fixtures() {
  const server = await new FixtureServer().listen();
  server.signedIn = false;
  server.detail = DETAIL;
  server.device = DEVICE;
  let made = 0;
  const link = async () => {
    made += 1;
    const text = `glacis_link_${String(made).padStart(43, 'A')}`;
    server.links.add(text);
    return `${server.url}/login#link=${text}`;
  };
  return { link, close: () => server.close() };
}

/**
 * @param {string} binary
 * @returns {Promise<Host>}
 */
export async function demo(binary) {
  const child = spawn(binary, ['demo', '--headless'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  /** @type {string[]} */
  const said = [];
  const first = await new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no console link within a minute:\n${said.join('\n')}`)),
      START_MS,
    );
    void ended.then((code) => reject(new Error(`glacis demo ended with ${code}:\n${said.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (said.length < 200) said.push(line);
        const found = /http:\/\/127\.0\.0\.1:\d+\/login#link=glacis_link_[A-Za-z0-9_-]{43}/.exec(line);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found[0]);
      });
    }
  });
  const close = async () => {
    if (child.exitCode === null) child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(timer);
  };
  return { link: async () => first, close };
}

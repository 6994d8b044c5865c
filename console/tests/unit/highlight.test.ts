// The text of a policy: cut into pieces that are the text again, with rules where the server says they stand.
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lines } from '../../src/lib/highlight';
import { DETAIL } from '../fixtures/detail.mjs';

const whole = (text: string) =>
  lines(text, [])
    .map((line) => line.pieces.map((piece) => piece.text).join(''))
    .join('\n');

test('pieces together are the text, for every shipped policy and for nonsense', () => {
  const folder = new URL('../../../policies/', import.meta.url);
  const shipped = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('/policy.toml'))
    .map((name) => readFileSync(new URL(name, folder), 'utf8'));
  expect(shipped.length).toBeGreaterThan(5);
  for (const text of [
    ...shipped,
    '',
    '"',
    "'''",
    '"""\n',
    '[[',
    '# only',
    '= = =',
    'a = "\\',
    '\u0000<script>\n𝒳 = 1',
  ]) {
    expect(whole(text)).toBe(text.replace(/\n$/, ''));
  }
});

test('looks are told apart', () => {
  const [line] = lines('id = "a # b" # why', []);
  expect(line?.pieces.map(({ text, look }) => [text, look])).toEqual([
    ['id', 'key'],
    [' = ', 'plain'],
    ['"a # b"', 'string'],
    [' ', 'plain'],
    ['# why', 'comment'],
  ]);
});

test('the rule that decided is marked with its condition', () => {
  const policy = DETAIL.policy;
  if (policy === null) throw new Error('no policy');
  const marked = lines(policy.text, policy.rules).filter((line) => line.rule?.deciding);
  expect(marked.map((line) => line.first)).toEqual([true, false, false, false]);
  const condition = marked
    .flatMap((line) => line.pieces.filter((piece) => piece.when).map((piece) => piece.text))
    .join('');
  expect(condition).toBe('amount > 250 && payee in list.mules');
});

test('spans outside of the text mark nothing and break nothing', () => {
  const rule = { id: 'r', effect: 'block', when: 'x', state: 'true', deciding: true, why: '' } as const;
  const made = lines('a = 1\nb = 2\n', [{ ...rule, span: [90, 99], when_span: [-5, 400] }]);
  expect(made.map((line) => line.rule)).toEqual([null, null]);
});

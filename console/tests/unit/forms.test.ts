// The fixtures have the form of what the server sends: `shapes.json` is made by a test of the server from its real
// answers, and fails there when an answer changes. So a page that passes here on a fixture passes on the server's.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as data from '../fixtures/data.mjs';
import { DETAIL, DEVICE, REPLAY, detailOf } from '../fixtures/detail.mjs';

/** A name of types (`null|string`), a list of one form, or keys with forms; `?` marks a key that may lack. */
type Form = string | Form[] | { [key: string]: Form };

const FORMS = JSON.parse(readFileSync(new URL('../fixtures/shapes.json', import.meta.url), 'utf8')) as Record<
  string,
  Form
>;
const row = (FORMS['live-decisions'] as { rows: Form[] }).rows[0];
const detail = FORMS['detail'] as { line: Form; signals: Record<string, Form>[] };
const device = FORMS['device'] as { decisions: Form[] };
// Lines are lines wherever they stand.
if (row !== undefined) [detail.line, device.decisions] = [row, [row]];
// A sum with five cases, which no one store shows all of; its type is held by the compiler.
for (const signal of detail.signals) signal['answer?'] = 'nothing';
/** Keys of a form that are none of a value: all keys of a map, something else than an object, a list. */
const MARKS = ['*', '|', '[]'];

/** What of a value is not of a form. A form that was never seen as anything but null tells nothing. */
function faults(value: unknown, form: Form | undefined, path: string): string[] {
  if (form === undefined || form === 'null' || form === 'nothing') return [];
  const type = value === null ? 'null' : typeof value;
  if (typeof form === 'string')
    return form.split('|').includes(type) ? [] : [`${path}: is ${type}, must be ${form}`];
  if (Array.isArray(value)) {
    const items = Array.isArray(form) ? form[0] : form['[]'];
    if (items === undefined) return [`${path}: is a list`];
    return value.flatMap((item, at) => faults(item, items, `${path}[${at}]`));
  }
  if (Array.isArray(form)) return [`${path}: is ${type}, must be a list`];
  if (type !== 'object') {
    const or = form['|'];
    return typeof or === 'string' && or.split('|').includes(type) ? [] : [`${path}: is ${type}`];
  }
  const fields = value as Record<string, unknown>;
  const known = Object.entries(fields).flatMap(([key, field]) => {
    const own = form[key] ?? form[`${key}?`] ?? form['*'];
    return own === undefined
      ? [`${path}.${key}: the server never sends it`]
      : faults(field, own, `${path}.${key}`);
  });
  const missing = Object.keys(form)
    .filter((key) => !MARKS.includes(key) && !key.endsWith('?') && !Object.hasOwn(fields, key))
    .map((key) => `${path}.${key}: the server always sends it`);
  return [...known, ...missing];
}

test('a form finds what is foreign, missing or of another type', () => {
  const form: Form = { a: 'number', 'b?': 'null|string', c: [{ x: 'string' }], m: { '*': 'number' } };
  expect(faults({ a: 1, c: [], m: {} }, form, '')).toEqual([]);
  expect(faults({ a: 1, b: null, c: [{ x: 's' }], m: { any: 2 } }, form, '')).toEqual([]);
  for (const [wrong, count] of [
    [{ a: '1', c: [], m: {} }, 1],
    [{ c: [], m: {} }, 1],
    [{ a: 1, c: [{ x: 1, y: 2 }], m: { any: 's' } }, 3],
    [{ a: 1, c: {}, m: null }, 2],
    [[], 1],
  ] as const)
    expect(faults(wrong, form, ''), JSON.stringify(wrong)).toHaveLength(count);
});

const rows = (lines: readonly data.Line[]) => ({ rows: lines, skipped: 0, behind: 0 });

test.each([
  ['session', [data.SESSION]],
  ['signed-in', [data.SIGNED_IN, { ...data.SIGNED_IN, adds: null }]],
  ['passkeys', [{ passkeys: data.PASSKEYS, why_not: null }]],
  ['passkey-asked', [data.ASKED]],
  ['passkey-wanted', [data.WANTED]],
  ['overview', [data.OVERVIEW]],
  ['devices', [data.devicePage(new URLSearchParams()), data.devicePage(new URLSearchParams('limit=1'))]],
  ['device', [DEVICE]],
  ['detail', [DETAIL, ...data.LINES.filter((line) => line.reference !== null).map(detailOf)]],
  ['replay', [REPLAY]],
  ['history', [{ step_ms: 1000, ticks: data.TICKS }]],
  ['tick', data.TICKS],
  ['live-decisions', [rows(data.LINES)]],
] as [string, unknown[]][])('fixtures of %s are of its form', (name, fixtures) => {
  const form = FORMS[name];
  expect(form).toBeDefined();
  expect(fixtures.flatMap((fixture) => faults(fixture, form, name))).toEqual([]);
});

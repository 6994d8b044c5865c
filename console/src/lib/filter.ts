// Filters of decisions, as they stand in the address: `?zone=edge&verdict=block&-event=view`.
//
// Values of one field are alternatives, fields add up, an exclusion wins. A field that nobody knows is kept out
// of the filter and stays out of the address, so that a mistyped link shows more, never silently less.

import type { Line } from './api';
import { kindOf } from './format';

export const FIELDS = [
  'zone',
  'verdict',
  'event',
  'reason',
  'tier',
  'principal',
  'device',
  'node',
  'closed',
  'acted',
] as const;
export type Field = (typeof FIELDS)[number];

export interface Term {
  field: Field;
  value: string;
  exclude: boolean;
}

/** What a line says in a field. */
export function values(line: Line, field: Field): string[] {
  switch (field) {
    case 'zone':
      return [line.zone];
    case 'verdict':
      return [line.verdict, kindOf(line.verdict)];
    case 'event':
      return [line.event];
    case 'reason':
      return line.reasons;
    case 'tier':
      return [line.tier];
    case 'principal':
      return line.principal === null ? [] : [line.principal];
    case 'device':
      return line.thumbprint === null ? [] : [line.thumbprint];
    case 'node':
      return line.node === null ? [] : [line.node];
    case 'closed':
      return [line.closed_by];
    case 'acted':
      return [line.acted ? 'yes' : 'no'];
  }
}

export function parse(params: URLSearchParams): Term[] {
  const terms: Term[] = [];
  for (const [key, value] of params) {
    const exclude = key.startsWith('-');
    const field = FIELDS.find((known) => known === (exclude ? key.slice(1) : key));
    if (field === undefined || value === '') continue;
    // A term that stands there twice says nothing more.
    const same = (term: Term) => term.field === field && term.value === value && term.exclude === exclude;
    if (!terms.some(same)) terms.push({ field, value, exclude });
  }
  return terms;
}

/** Puts the terms into an address; what is no filter stays there. */
export function write(params: URLSearchParams, terms: Term[]): URLSearchParams {
  const written = new URLSearchParams();
  for (const term of terms) written.append((term.exclude ? '-' : '') + term.field, term.value);
  for (const [key, value] of params) {
    const bare = key.startsWith('-') ? key.slice(1) : key;
    if (!FIELDS.some((field) => field === bare)) written.append(key, value);
  }
  return written;
}

/** Adds a term; the same one twice takes it away, its opposite is replaced. */
export function toggle(terms: Term[], term: Term): Term[] {
  const same = (other: Term) => other.field === term.field && other.value === term.value;
  const before = terms.find(same);
  const rest = terms.filter((other) => !same(other));
  return before !== undefined && before.exclude === term.exclude ? rest : [...rest, term];
}

export function matcher(terms: Term[]): (line: Line) => boolean {
  const wanted = new Map<Field, Set<string>>();
  const unwanted = terms.filter((term) => term.exclude);
  for (const term of terms.filter((term) => !term.exclude)) {
    wanted.set(term.field, (wanted.get(term.field) ?? new Set()).add(term.value));
  }
  return (line) => {
    for (const term of unwanted) if (values(line, term.field).includes(term.value)) return false;
    for (const [field, set] of wanted) if (!values(line, field).some((value) => set.has(value))) return false;
    return true;
  };
}

// Numbers, times and names as people read them. Times are local, with milliseconds where order matters.

import type { Scalar, Stated, Tier, Zone } from './api';

export type Kind = 'allow' | 'challenge' | 'block';

export function kindOf(verdict: string): Kind {
  if (verdict.startsWith('challenge')) return 'challenge';
  return verdict === 'allow' ? 'allow' : 'block';
}

const two = (value: number) => String(value).padStart(2, '0');
const three = (value: number) => String(value).padStart(3, '0');

/** `10:02:11`, or with milliseconds. */
export function clock(ms: number, exact = false): string {
  const at = new Date(ms);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return exact ? `${text}.${three(at.getMilliseconds())}` : text;
}

/** `2026-11-30 10:02:11`. */
export function stamp(ms: number, exact = false): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms, exact)}`;
}

/** `340 ms`, `12 s`, `4 min`, `3 h`, `12 d`. */
export function span(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < 1000) return `${Math.round(abs)} ms`;
  if (abs < 120_000) return `${Math.round(abs / 1000)} s`;
  if (abs < 7_200_000) return `${Math.round(abs / 60_000)} min`;
  if (abs < 172_800_000) return `${Math.round(abs / 3_600_000)} h`;
  return `${Math.round(abs / 86_400_000)} d`;
}

/** How long ago, seen from `now`. */
export function ago(ms: number, now: number): string {
  return now - ms < 1000 ? 'now' : `${span(now - ms)} ago`;
}

/** Microseconds as `85 µs`, `2.3 ms`, `1.2 s`; zero is less than what the clock tells apart, never nothing. */
export function micros(us: number): string {
  if (us === 0) return '< 1 ms';
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 10_000) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 1_000_000) return `${Math.round(us / 1000)} ms`;
  return `${(us / 1_000_000).toFixed(1)} s`;
}

/** `1,204`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `0`, `0.4`, `12`, `1,204`: a rate a second. */
export function rate(value: number): string {
  if (value === 0) return '0';
  return value < 10 ? value.toFixed(1) : count(value);
}

/** `93 %`, and never 100 % for less than all. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '–';
  const share = (100 * part) / whole;
  if (share > 99.9 && part < whole) return '> 99.9 %';
  return share > 99 && part < whole
    ? `${(Math.floor(share * 10) / 10).toFixed(1)} %`
    : `${Math.round(share)} %`;
}

/** `7KQ2-M9XA-41PP`. */
export function grouped(reference: string): string {
  return reference.length === 12
    ? `${reference.slice(0, 4)}-${reference.slice(4, 8)}-${reference.slice(8)}`
    : reference;
}

/** The first ten digits of a thumbprint or digest. */
export function short(digest: string): string {
  return digest.length > 14 ? `${digest.slice(0, 10)}…` : digest;
}

export const LETTER = { ecosystem: 'E', device: 'D', edge: 'G', cloud: 'C' } as const;
export const ZONE_WORD = { ecosystem: 'Ecosystem', device: 'Device', edge: 'Edge', cloud: 'Cloud' } as const;
export const ZONES: Zone[] = ['device', 'edge', 'cloud'];
export const TIERS: Tier[] = ['none', 'software', 'hardware', 'strong'];

export function scalar(value: Scalar): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return Array.isArray(value) ? `[${value.map(scalar).join(', ')}]` : String(value);
}

const CAUSES: Record<string, string> = {
  withheld: 'the device did not say, or nobody vouches for what it says',
  absent: 'the route has no device zone',
  denied: 'consent was refused',
  unavailable: 'our own outage',
  inexact: 'the count is known as a range only',
  version: 'the device runs another version of the policy',
};

export interface Said {
  text: string;
  kind: 'value' | 'interval' | 'missing' | 'error' | 'unknown';
  more: string;
}

/** An answer about a signal, in words. Zero, nothing and unknown look different. */
export function said(answer: Stated): Said {
  if (answer === 'missing')
    return { text: 'none', kind: 'missing', more: 'its zone says that there is none' };
  if (answer === 'error') return { text: 'error', kind: 'error', more: 'it could not be computed' };
  // A word of a newer server.
  if (typeof answer !== 'object') return { text: String(answer), kind: 'unknown', more: '' };
  if ('value' in answer) return { text: scalar(answer.value), kind: 'value', more: '' };
  if ('interval' in answer) {
    return {
      text: answer.interval.map(scalar).join(' … '),
      kind: 'interval',
      more: 'between the two, both included',
    };
  }
  const more = answer.unknown.map((cause) => CAUSES[cause] ?? cause).join('; ');
  return { text: 'unknown', kind: 'unknown', more };
}

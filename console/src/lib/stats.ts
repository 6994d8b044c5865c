// What the ticks of some seconds add up to: rates by zone, and what deciding early saves.

import type { Place, Split, Tick, Took } from './api';
import { ZONES } from './format';

export interface Sums {
  /** Seconds that were summed. */
  seconds: number;
  zones: Record<'device' | 'edge' | 'cloud', Split>;
  ecosystem: { enrolled: number; refused: number };
  total: number;
}

export const sum = (split: Split): number => split[0] + split[1] + split[2];

/** The ticks of the last `seconds`, seen from the newest one. */
export function recent(ticks: Tick[], seconds: number): Tick[] {
  const newest = ticks[ticks.length - 1];
  if (newest === undefined) return [];
  return ticks.filter((tick) => tick.at_ms > newest.at_ms - seconds * 1000);
}

export function sums(ticks: Tick[]): Sums {
  const zones: Sums['zones'] = { device: [0, 0, 0], edge: [0, 0, 0], cloud: [0, 0, 0] };
  const ecosystem = { enrolled: 0, refused: 0 };
  for (const tick of ticks) {
    for (const zone of ZONES) {
      const [allow, challenge, block] = tick.zones[zone];
      const into = zones[zone];
      into[0] += allow;
      into[1] += challenge;
      into[2] += block;
    }
    ecosystem.enrolled += tick.ecosystem.enrolled;
    ecosystem.refused += tick.ecosystem.refused;
  }
  const total = ZONES.reduce((all, zone) => all + sum(zones[zone]), 0);
  return { seconds: ticks.length, zones, ecosystem, total };
}

/** The median of the seconds' medians, each weighted by its decisions. Null where nothing was measured. */
export function median(
  ticks: Tick[],
  zone: 'edge' | 'cloud',
  part: 'p50_us' | 'p99_us' = 'p50_us',
): number | null {
  const measured = ticks
    .map((tick) => tick.took[zone])
    .filter((took): took is Took => took !== null && took.n > 0);
  measured.sort((a, b) => a[part] - b[part]);
  const all = measured.reduce((n, took) => n + took.n, 0);
  let seen = 0;
  for (const took of measured) {
    seen += took.n;
    if (2 * seen >= all) return took[part];
  }
  return null;
}

export interface Baseline {
  total: number;
  /** Decisions that never reached the cloud. */
  early: number;
  cloud: number;
  /** How often the cloud would have decided, for each time that it did. */
  factor: number | null;
  edge_p50_us: number | null;
  cloud_p50_us: number | null;
  /** For each decision of the edge, measured. */
  saved_us: number | null;
}

export function baseline(ticks: Tick[]): Baseline {
  const all = sums(ticks);
  const cloud = sum(all.zones.cloud);
  const edge_p50_us = median(ticks, 'edge');
  const cloud_p50_us = median(ticks, 'cloud');
  return {
    total: all.total,
    early: all.total - cloud,
    cloud,
    factor: cloud === 0 ? null : all.total / cloud,
    edge_p50_us,
    cloud_p50_us,
    saved_us: edge_p50_us === null || cloud_p50_us === null ? null : cloud_p50_us - edge_p50_us,
  };
}

/** Columns for the chart: seconds, blocks, blocks and challenges, all. Cumulated, since areas are stacked. */
export function stacked(ticks: Tick[]): [number[], number[], number[], number[]] {
  const columns: [number[], number[], number[], number[]] = [[], [], [], []];
  for (const tick of ticks) {
    let allow = 0;
    let challenge = 0;
    let block = 0;
    for (const zone of ZONES) {
      allow += tick.zones[zone][0];
      challenge += tick.zones[zone][1];
      block += tick.zones[zone][2];
    }
    columns[0].push(tick.at_ms / 1000);
    columns[1].push(block);
    columns[2].push(block + challenge);
    columns[3].push(block + challenge + allow);
  }
  return columns;
}

/** A zone's part of a sum; the ecosystem decides nothing, it enrols. */
export function perSecond(all: Sums, place: Place): number {
  if (all.seconds === 0) return 0;
  const n = place === 'ecosystem' ? all.ecosystem.enrolled + all.ecosystem.refused : sum(all.zones[place]);
  return n / all.seconds;
}

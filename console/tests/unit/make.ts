// A line of the feed for tests: what a test does not name is the same in each.
import type { Line, Tick } from '../../src/lib/api';

let made = 0;

export function line(over: Partial<Line> = {}): Line {
  made += 1;
  return {
    row: String(made),
    reference: 'ABCDEFGHJKMN',
    decided_ms: 1000 * made,
    event: 'shop.view',
    verdict: 'allow',
    zone: 'edge',
    closed_by: 'policy',
    reasons: [],
    principal: null,
    thumbprint: null,
    tier: 'hardware',
    node: 'edge-1',
    policy_version: 1,
    acted: true,
    took_us: 0,
    ...over,
  };
}

export function tick(at_ms: number, over: Partial<Tick> = {}): Tick {
  return {
    at_ms,
    zones: { device: [0, 0, 1], edge: [6, 1, 1], cloud: [1, 0, 0] },
    ecosystem: { enrolled: 0, refused: 0 },
    took: { edge: null, cloud: null, resolution_us: 1000 },
    handled: null,
    behind: 0,
    ...over,
  };
}

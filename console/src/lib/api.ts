// What the server says, as types, and the one way to ask it.
//
// Every call goes to the page's own origin. An answer that is no success becomes a `Problem` with its code and a
// remedy; a call that found no server becomes `Unreachable`. Nothing here renders anything.

export type Zone = 'device' | 'edge' | 'cloud';
export type Place = 'ecosystem' | Zone;
export type Tier = 'none' | 'software' | 'hardware' | 'strong';
export type Listed = 'cap' | 'refuse' | null;
/** `allow`, `block` or `challenge(METHOD)`. */
export type Verdict = string;
export type State = 'true' | 'false' | 'open' | 'error' | 'not-needed';

export interface Line {
  /** Opaque and unique. */
  row: string;
  reference: string | null;
  decided_ms: number;
  event: string;
  verdict: Verdict;
  zone: Zone;
  closed_by: string;
  reasons: string[];
  principal: string | null;
  thumbprint: string | null;
  tier: Tier;
  /** Null where the device decided alone. */
  node: string | null;
  policy_version: number | null;
  acted: boolean;
  /** To the resolution that the overview states: zero is less than that. */
  took_us: number | null;
}

/** Counts of allow, challenge and block. */
export type Split = [number, number, number];

export interface Took {
  n: number;
  p50_us: number;
  p99_us: number;
}

export interface Tick {
  at_ms: number;
  zones: Record<Zone, Split>;
  ecosystem: { enrolled: number; refused: number };
  /** From receipt at the edge to the decision. */
  took: { edge: Took | null; cloud: Took | null; resolution_us: number };
  /** From receipt in the cloud until decided and durable. */
  handled: Took | null;
  behind: number;
}

export interface History {
  step_ms: number;
  ticks: Tick[];
}

export interface Batch {
  rows: Line[];
  skipped: number;
  behind: number;
}

export interface Session {
  actor: string;
  scopes: string[];
  expires_ms: number;
}

/** Who has signed in. */
export interface SignedIn extends Session {
  /** Adds passkeys, beside the cookie; null where the session adds none. No other answer has it. */
  adds: string | null;
}

/** What an authenticator signs at a log-in. */
export interface Asked {
  challenge: string;
  relying_party: string;
  timeout_ms: number;
}

/** What an authenticator makes a passkey for. */
export interface Wanted extends Asked {
  user: string;
  user_name: string;
  algorithms: number[];
  /** Credentials that it must not have yet. */
  known: string[];
}

export interface Passkey {
  id: number;
  name: string;
  by: string;
  made_ms: number;
  used_ms: number | null;
}

export interface Passkeys {
  passkeys: Passkey[];
  /** Why this session adds none; null where it does. */
  why_not: string | null;
}

/** How somebody signs in. */
export type Proof =
  | { link: string }
  | { token: string }
  | { passkey: { challenge: string; assertion: string } };

export interface Overview {
  tenant: string;
  realm: string;
  policy_version: number;
  key_set: number;
  events: number;
  decisions: number;
  devices: number;
  incidents: number;
  policies: Record<string, string>;
  nodes: { node: string; newest_ms: number }[];
  feed: { refused: number; capped: number };
  took_resolution_us: number;
  server_ms: number;
}

export type Scalar = string | number | boolean | null | Scalar[];
export type Stated = { value: Scalar } | { interval: Scalar[] } | 'missing' | 'error' | { unknown: string[] };

export interface Step {
  zone: Place;
  state: 'passed' | 'stopped' | 'decided' | 'asked' | 'not-needed' | 'silent' | 'unknown';
  at_ms: number | null;
  took_us: number | null;
  words: string;
}

export interface Rule {
  id: string;
  effect: string;
  when: string;
  span: [number, number] | null;
  when_span: [number, number] | null;
  state: State;
  deciding: boolean;
  why: string;
}

export interface PolicyView {
  name: string;
  event: string;
  digest: string;
  versions: number[];
  text: string;
  rules: Rule[];
}

export type Privacy = 'private' | 'pseudonymous' | 'public';

interface SignalBase {
  signal: string;
  zone: 'device' | 'request' | 'edge' | 'cloud';
  privacy: Privacy;
  purpose: string[];
  origin: string;
  age_ms: number | null;
  trust: string;
}

export interface HeldSignal extends SignalBase {
  held: true;
  answer: Stated;
}

export interface KeptSignal extends SignalBase {
  held: false;
  disclosed: 'none' | 'condition';
  nodes: { when: string; outcome: string }[];
}

export type Signal = HeldSignal | KeptSignal;

export interface Change {
  signal?: string;
  condition?: string;
  zone: string;
  from: string;
  to: string;
  private: boolean;
  words: string;
}

export type Counterfactual = { changes: Change[]; verdict: Verdict; verified: boolean } | { none: string };

export interface AuditProof {
  entry_seq: number;
  entry: string;
  /** Null where the row is gone. */
  row_digest: string | null;
  head_seq: number;
  head: string;
  holds: boolean;
}

export interface Detail {
  line: Line;
  record: unknown;
  server_ms: number;
  path: Step[];
  policy: PolicyView | null;
  signals: Signal[];
  counterfactual: Counterfactual;
  /** Null where the entry cannot be found. */
  audit: AuditProof | null;
  commands: Record<string, string>;
}

export interface Replay {
  version: number;
  digest: string;
  verdict: Verdict;
  reasons: string[];
  obligations: string[];
  same: boolean;
  device: string;
  rules: { id: string; effect: string; state: State; why: string }[];
}

export interface DeviceRow {
  thumbprint: string;
  tier: Tier;
  trust: string;
  family: string;
  enrolled_ms: number;
  last_seen_ms: number | null;
  listed: Listed;
  forks: number;
}

export interface DevicePage {
  devices: DeviceRow[];
  next: string | null;
  tiers: Record<Tier, number>;
}

export const VECTOR = [
  'instance_identity',
  'configuration',
  'executables',
  'file_system',
  'hardware',
  'runtime_opaque',
  'storage_opaque',
  'sourced_data',
] as const;

export interface Appraisal {
  at_ms: number;
  not_after_ms: number;
  family: string;
  tier: Tier;
  trust: string;
  vector: Record<(typeof VECTOR)[number], number | null>;
}

export interface TierChange {
  at_ms: number;
  from: Tier;
  to: Tier;
  reason: string;
  words: string;
}

/** One key took the place of another. */
export interface Succession {
  at_ms: number;
  old: string;
  new: string;
  why: string;
  words: string;
}

export interface DeviceDetail {
  thumbprint: string;
  tier: Tier;
  trust: string;
  family: string;
  uniqueness: 'hardware' | 'estimate' | 'none';
  partner: string | null;
  enrolled_ms: number;
  last_seen_ms: number | null;
  listed: Listed;
  history: TierChange[];
  lineage: Succession[];
  appraisal: Appraisal | null;
  sessions: { opened_ms: number; counter: number; node: string; tier: Tier; forked: boolean }[];
  forks: { at_ms: number; node: string; words: string }[];
  incidents: { at_ms: number; kind: string; node: string }[];
  decisions: Line[];
}

export interface Found {
  decisions: { reference: string; event: string; verdict: Verdict; decided_ms: number }[];
  devices: { thumbprint: string; tier: Tier }[];
}

/** An answer that is no success (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string | null,
    readonly retryAfterS: number | null = null,
  ) {
    super(detail ?? title);
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

export const BASE = '/console/v1';

/** Told about each call's fate: the banner and the log-in page listen. */
export interface Watch {
  good(): void;
  unreachable(): void;
  unauthenticated(): void;
}

export class Api {
  constructor(
    private readonly fetcher: typeof fetch,
    private readonly watch: Watch,
  ) {}

  session = () => this.ask<Session>('GET', '/session');
  signIn = (proof: Proof) => this.ask<SignedIn>('POST', '/session', proof);
  challenge = () => this.ask<Asked>('POST', '/session/challenge');
  signOut = () => this.ask<null>('DELETE', '/session');
  passkeys = () => this.ask<Passkeys>('GET', '/passkeys');
  beginPasskey = (name: string, adds: string) =>
    this.ask<Wanted>('POST', '/passkeys/challenge', { name, adds });
  addPasskey = (registration: string) => this.ask<Passkey>('POST', '/passkeys', { registration });
  removePasskey = (id: number) => this.ask<null>('DELETE', `/passkeys/${id}`);
  overview = () => this.ask<Overview>('GET', '/overview');
  decisions = (before: string | null, limit: number) =>
    this.ask<{ rows: Line[]; before: string | null; after: string }>(
      'GET',
      '/decisions' + query({ before, limit }),
    );
  decision = (reference: string) => this.ask<Detail>('GET', `/decisions/${encodeURIComponent(reference)}`);
  replay = (reference: string, version: number) =>
    this.ask<Replay>('GET', `/decisions/${encodeURIComponent(reference)}/replay` + query({ version }));
  devices = (asked: { cursor?: string; limit?: number; tier?: string; listed?: string; q?: string }) =>
    this.ask<DevicePage>('GET', '/devices' + query(asked));
  device = (thumbprint: string) =>
    this.ask<DeviceDetail>('GET', `/devices/${encodeURIComponent(thumbprint)}`);
  search = (q: string) => this.ask<Found>('GET', '/search' + query({ q }));

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['X-Glacis-Console'] = '1';
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const init: RequestInit = {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
    };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response: Response;
    try {
      response = await this.fetcher(BASE + path, init);
    } catch {
      this.watch.unreachable();
      throw new Unreachable();
    }
    this.watch.good();
    if (response.ok) return (response.status === 204 ? null : await response.json()) as T;
    const problem = await problemOf(response);
    // A refused log-in is the log-in page's own matter.
    if (response.status === 401 && method === 'GET') this.watch.unauthenticated();
    throw problem;
  }
}

/** Reads a problem; what is none becomes one that says so. */
export async function problemOf(response: Response): Promise<Problem> {
  const retry = Number(response.headers.get('Retry-After'));
  const after = Number.isFinite(retry) && retry > 0 ? retry : null;
  const fallback = response.statusText || `Status ${response.status}`;
  try {
    const said = (await response.json()) as Record<string, unknown>;
    const text = (key: string) => (typeof said[key] === 'string' ? said[key] : null);
    return new Problem(
      response.status,
      text('code') ?? 'unknown',
      text('title') ?? fallback,
      text('detail'),
      after,
    );
  } catch {
    return new Problem(response.status, 'unknown', fallback, null, after);
  }
}

function query(values: Record<string, string | number | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

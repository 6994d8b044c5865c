// The live data of the page: the newest decisions, those that pass the filter, and the seconds' counts.
//
// A plain class without a framework. However many messages come, those who listen are told at most once an
// animation frame. While the view is held (paused, pointed at, scrolled) the rows stay as they are, and what
// comes meanwhile is counted.

import type { Batch, History, Line, Tick } from './api';
import { Ring } from './ring';

/** The most decisions that the page keeps. */
export const KEPT = 10_000;
/** The most seconds that it keeps: a quarter of an hour. */
export const TICKS = 900;

export type Hold = 'paused' | 'pointed' | 'scrolled' | 'selected';

/** Asks for one call before the next picture; a test gives its own. */
export type NextFrame = (call: () => void) => void;

export class Feed {
  private readonly all = new Ring<Line>(KEPT);
  private readonly passing = new Ring<Line>(KEPT);
  private readonly listeners = new Set<() => void>();
  private readonly holds = new Set<Hold>();
  private passes: (line: Line) => boolean = () => true;
  private frozen: Line[] | null = null;
  private frozenTicks: Tick[] | null = null;
  private seconds: Tick[] = [];
  private asked = false;
  /** Rows that are kept: after a reconnection the server may begin a little earlier. */
  private readonly known = new Set<string>();

  /** Rows that came while the view was held and would be in it. */
  newer = 0;
  /** Rows that the server has stored and not sent. */
  behind = 0;
  /** Rows that were not given to this page since it was opened; they are in the counts. */
  skipped = 0;
  /** All rows that came. */
  received = 0;
  /** Whether the history came. */
  ready = false;
  /** When the last message came, by this page's clock. */
  heardMs: number | null = null;

  constructor(
    private readonly nextFrame: NextFrame,
    private readonly now: () => number,
  ) {}

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  history(history: History): void {
    this.seconds = history.ticks.slice(-TICKS);
    this.ready = true;
    this.heard();
  }

  decisions(batch: Batch): void {
    for (const line of batch.rows) {
      if (this.known.has(line.row)) continue;
      this.known.add(line.row);
      this.received += 1;
      const gone = this.all.push(line);
      if (gone !== undefined) this.known.delete(gone.row);
      if (!this.passes(line)) continue;
      this.passing.push(line);
      if (this.frozen !== null) this.newer += 1;
    }
    this.skipped += batch.skipped;
    this.behind = batch.behind;
    this.heard();
  }

  tick(tick: Tick): void {
    const newest = this.seconds[this.seconds.length - 1];
    if (newest !== undefined && tick.at_ms <= newest.at_ms) return;
    // Another array each time: whoever shows it sees by its identity that it changed.
    this.seconds = [...this.seconds.slice(-(TICKS - 1)), tick];
    this.behind = tick.behind;
    this.heard();
  }

  /** Forgets everything: another session may see other things. */
  reset(): void {
    this.all.clear();
    this.passing.clear();
    this.known.clear();
    this.seconds = [];
    this.ready = false;
    this.change();
  }

  filter(passes: (line: Line) => boolean): void {
    this.passes = passes;
    this.passing.clear();
    for (let index = this.all.length - 1; index >= 0; index -= 1) {
      const line = this.all.at(index);
      if (line !== undefined && passes(line)) this.passing.push(line);
    }
    if (this.frozen !== null) this.freeze();
    this.change();
  }

  hold(why: Hold, on: boolean): void {
    if (on === this.holds.has(why)) return;
    if (on) this.holds.add(why);
    else this.holds.delete(why);
    if (why === 'paused') this.frozenTicks = on ? this.seconds.slice() : null;
    if (this.holds.size === 0) {
      this.frozen = null;
      this.newer = 0;
    } else if (this.frozen === null) {
      this.freeze();
    }
    this.change();
  }

  held(why?: Hold): boolean {
    return why === undefined ? this.holds.size > 0 : this.holds.has(why);
  }

  /** How many rows the view has. */
  get length(): number {
    return this.frozen?.length ?? this.passing.length;
  }

  /** How many rows the page keeps, whatever the filter says. */
  get kept(): number {
    return this.all.length;
  }

  rows(from: number, to: number): Line[] {
    return this.frozen?.slice(Math.max(0, from), to) ?? this.passing.slice(from, to);
  }

  row(index: number): Line | undefined {
    return this.frozen === null ? this.passing.at(index) : this.frozen[index];
  }

  ticks(): Tick[] {
    return this.frozenTicks ?? this.seconds;
  }

  private freeze(): void {
    this.frozen = this.passing.slice(0, this.passing.length);
    this.newer = 0;
  }

  private heard(): void {
    this.heardMs = this.now();
    this.change();
  }

  private change(): void {
    if (this.asked) return;
    this.asked = true;
    this.nextFrame(() => {
      this.asked = false;
      for (const listener of this.listeners) listener();
    });
  }
}

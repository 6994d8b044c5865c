// One thing that is asked for: not yet, there, or failed. A later question makes an earlier answer void.

/** Shorter waits show nothing, so that nothing flickers. */
const QUIET_MS = 150;

export class Load<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  /** Waits long enough to be shown. */
  slow = $state(false);
  /** When the value came. */
  atMs = $state<number | null>(null);
  private turn = 0;

  async run(ask: () => Promise<T>, keep = false): Promise<void> {
    this.turn += 1;
    const turn = this.turn;
    if (!keep) this.value = null;
    this.error = null;
    this.slow = false;
    const timer = setTimeout(() => {
      if (turn === this.turn) this.slow = true;
    }, QUIET_MS);
    try {
      const value = await ask();
      if (turn !== this.turn) return;
      this.value = value;
      this.atMs = Date.now();
    } catch (error) {
      if (turn === this.turn) this.error = error;
    } finally {
      clearTimeout(timer);
      if (turn === this.turn) this.slow = false;
    }
  }
}

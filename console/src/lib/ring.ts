// A ring of bounded size, read from the newest. Pushing costs the same however full it is.

export class Ring<T> {
  private readonly slots: (T | undefined)[];
  private pushed = 0;

  constructor(readonly capacity: number) {
    this.slots = new Array<T | undefined>(capacity);
  }

  get length(): number {
    return Math.min(this.pushed, this.capacity);
  }

  /** Returns what had to go. */
  push(item: T): T | undefined {
    const slot = this.pushed % this.capacity;
    const gone = this.slots[slot];
    this.slots[slot] = item;
    this.pushed += 1;
    return gone;
  }

  /** The newest is 0. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.length) return undefined;
    return this.slots[(this.pushed - 1 - index) % this.capacity];
  }

  /** Newest first. */
  slice(from: number, to: number): T[] {
    const items: T[] = [];
    for (let index = Math.max(0, from); index < Math.min(to, this.length); index += 1) {
      items.push(this.slots[(this.pushed - 1 - index) % this.capacity] as T);
    }
    return items;
  }

  clear(): void {
    this.slots.fill(undefined);
    this.pushed = 0;
  }
}

// Keys of the keyboard, in one place: single ones, and `g` followed by another within a second.

export interface Binding {
  keys: string;
  words: string;
  run(): void;
}

const SEQUENCE_MS = 1000;

/** Whether a key belongs to what has the focus: somebody writes there. */
export function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
}

/** The name of a key press as bindings write it. */
export function nameOf(event: Pick<KeyboardEvent, 'key' | 'metaKey' | 'ctrlKey' | 'altKey'>): string | null {
  if (event.altKey) return null;
  if (event.metaKey || event.ctrlKey) return event.key.toLowerCase() === 'k' ? 'mod+k' : null;
  return event.key;
}

export class Keys {
  private pending = '';
  private pendingAt = 0;
  private readonly layers: { title: string; bindings: Binding[] }[] = [];

  constructor(private readonly now: () => number) {}

  /** Adds bindings until the returned function is called; later ones win. */
  add(title: string, bindings: Binding[]): () => void {
    const layer = { title, bindings };
    this.layers.push(layer);
    return () => {
      const at = this.layers.indexOf(layer);
      if (at >= 0) this.layers.splice(at, 1);
    };
  }

  /** All that can be pressed now, for the sheet, by title. */
  groups(): { title: string; bindings: Binding[] }[] {
    const titles = [...new Set(this.layers.map((layer) => layer.title))].sort();
    const of = (title: string) => this.layers.filter((layer) => layer.title === title);
    return titles.map((title) => ({ title, bindings: of(title).flatMap((layer) => layer.bindings) }));
  }

  private all(): Binding[] {
    return this.layers.flatMap((layer) => layer.bindings);
  }

  /** Whether the key did something. */
  press(name: string): boolean {
    const waits = this.now() - this.pendingAt < SEQUENCE_MS ? this.pending : '';
    const whole = waits === '' ? name : `${waits} ${name}`;
    this.pending = '';
    const found = this.find(whole) ?? (waits === '' ? undefined : this.find(name));
    if (found !== undefined) {
      found.run();
      return true;
    }
    if (this.all().some((binding) => binding.keys.startsWith(`${name} `))) {
      this.pending = name;
      this.pendingAt = this.now();
      return true;
    }
    return false;
  }

  private find(keys: string): Binding | undefined {
    return this.all()
      .reverse()
      .find((binding) => binding.keys.split('|').includes(keys));
  }
}

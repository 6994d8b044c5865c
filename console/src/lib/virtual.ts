// Which rows of a long table stand in the picture. Rows have one height.

export interface Window {
  from: number;
  to: number;
  /** Blank space above and below, in pixels. */
  above: number;
  below: number;
}

/** A few rows beyond each edge, so that a quick wheel shows no blank. */
const MARGIN = 6;

export function visible(rows: number, height: number, scrolled: number, room: number): Window {
  const first = Math.floor(Math.max(0, scrolled) / height);
  const from = Math.min(Math.max(0, first - MARGIN), Math.max(0, rows - 1));
  const to = Math.min(rows, first + Math.ceil(room / height) + MARGIN);
  return {
    from,
    to: Math.max(from, to),
    above: from * height,
    below: Math.max(0, rows - Math.max(from, to)) * height,
  };
}

/** Where to scroll so that a row is seen whole; null where it is. */
export function reveal(row: number, height: number, scrolled: number, room: number): number | null {
  if (row * height < scrolled) return row * height;
  if ((row + 1) * height > scrolled + room) return (row + 1) * height - room;
  return null;
}

// The text of a policy cut into lines of coloured pieces, with the rules marked where they stand.
//
// A small tokenizer of TOML, enough to tell comments, texts, keys and numbers apart. It never fails: what it does
// not know is plain. The pieces together are the text, character for character.

import type { Rule } from './api';

export type Look = 'plain' | 'comment' | 'string' | 'key' | 'table' | 'number';

export interface Piece {
  text: string;
  look: Look;
  /** Whether this is the condition of the line's rule. */
  when: boolean;
}

export interface TextLine {
  number: number;
  pieces: Piece[];
  rule: Rule | null;
  /** Whether the rule begins in this line. */
  first: boolean;
}

interface Token {
  from: number;
  to: number;
  look: Look;
}

const PATTERN =
  /(#[^\n]*)|("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*')|(^[ \t]*\[\[?[^\n#]*?\]\]?)|(^[ \t]*[A-Za-z0-9_."-]+(?=\s*=)|[A-Za-z0-9_-]+(?=\s*=[^=]))|(\b\d[\d_.]*\b|\btrue\b|\bfalse\b)/gm;
const LOOKS: Look[] = ['comment', 'string', 'table', 'key', 'number'];

function tokens(text: string): Token[] {
  const found: Token[] = [];
  for (const match of text.matchAll(PATTERN)) {
    const look = LOOKS.find((_, index) => match[index + 1] !== undefined) ?? 'plain';
    found.push({ from: match.index, to: match.index + match[0].length, look });
  }
  return found;
}

export function lines(text: string, rules: Rule[]): TextLine[] {
  const marks = tokens(text);
  const whens = rules.flatMap((rule) => (rule.when_span === null ? [] : [rule.when_span]));
  const out: TextLine[] = [];
  let start = 0;
  let previous: Rule | null = null;
  text
    .replace(/\n$/, '')
    .split('\n')
    .forEach((line, index) => {
      const end = start + line.length;
      const rule =
        rules.find(({ span }) => span !== null && span[0] < Math.max(end, start + 1) && span[1] > start) ??
        null;
      out.push({
        number: index + 1,
        pieces: pieces(text, start, end, marks, whens),
        rule,
        first: rule !== null && rule !== previous,
      });
      previous = rule;
      start = end + 1;
    });
  return out;
}

function pieces(
  text: string,
  start: number,
  end: number,
  marks: Token[],
  whens: [number, number][],
): Piece[] {
  const cuts = new Set([start, end]);
  const inside = (at: number) => at > start && at < end;
  for (const { from, to } of marks) [from, to].filter(inside).forEach((at) => cuts.add(at));
  for (const span of whens) span.filter(inside).forEach((at) => cuts.add(at));
  const sorted = [...cuts].sort((a, b) => a - b);
  const out: Piece[] = [];
  for (let index = 0; index + 1 < sorted.length; index += 1) {
    const from = sorted[index] as number;
    const to = sorted[index + 1] as number;
    const look = marks.find((mark) => mark.from <= from && mark.to >= to)?.look ?? 'plain';
    out.push({
      text: text.slice(from, to),
      look,
      when: whens.some((span) => span[0] <= from && span[1] >= to),
    });
  }
  return out;
}

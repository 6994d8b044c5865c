// Pictures as small files: few colours, chosen by how often they are used; and how two of them differ.
//
// The same picture always becomes the same bytes. Ties between colours are broken by their value.

import { deflateSync } from 'node:zlib';
import pngjs from 'pngjs';

/**
 * @typedef {object} Picture
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} data Red, green, blue, alpha of each pixel.
 */

/**
 * @param {Buffer} bytes
 * @returns {Picture}
 */
export function decode(bytes) {
  const { width, height, data } = pngjs.PNG.sync.read(bytes);
  return { width, height, data };
}

/**
 * Maps each pixel to a palette.
 * @param {Picture} picture
 * @param {number} most How many colours, at most 256.
 */
export function quantise(picture, most) {
  const pixels = picture.width * picture.height;
  const colours = new Uint32Array(pixels);
  /** @type {Map<number, number>} */
  const uses = new Map();
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const [red = 0, green = 0, blue = 0] = picture.data.subarray(pixel * 4, pixel * 4 + 3);
    const colour = (red << 16) | (green << 8) | blue;
    colours[pixel] = colour;
    uses.set(colour, (uses.get(colour) ?? 0) + 1);
  }
  const ranked = [...uses].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const palette = choose(ranked, most);
  /** @type {Map<number, number>} */
  const index = new Map(palette.map((colour, at) => [colour, at]));
  for (const [colour] of ranked) if (!index.has(colour)) index.set(colour, nearest(palette, colour));
  return { palette, indices: Uint8Array.from(colours, (colour) => index.get(colour) ?? 0) };
}

/**
 * The most used colour, then always the one that is used most and least like those that are chosen: so a small mark
 * keeps its hue.
 * @param {[number, number][]} ranked Colours and how often they are used.
 * @param {number} most
 */
function choose(ranked, most) {
  const palette = ranked.slice(0, 1).map(([colour]) => colour);
  const far = ranked.map(([colour]) => distance(colour, palette[0] ?? 0));
  while (palette.length < Math.min(most, ranked.length)) {
    let best = 0;
    let weight = -1;
    ranked.forEach(([, uses], at) => {
      const own = Math.sqrt(uses) * (far[at] ?? 0);
      if (own > weight) [best, weight] = [at, own];
    });
    const chosen = ranked[best]?.[0] ?? 0;
    palette.push(chosen);
    ranked.forEach(([colour], at) => void (far[at] = Math.min(far[at] ?? 0, distance(colour, chosen))));
  }
  return palette;
}

/**
 * @param {number} a
 * @param {number} b
 */
function distance(a, b) {
  const red = (a >> 16) - (b >> 16);
  const green = ((a >> 8) & 255) - ((b >> 8) & 255);
  const blue = (a & 255) - (b & 255);
  return red * red + green * green + blue * blue;
}

/**
 * @param {number[]} palette
 * @param {number} colour
 */
function nearest(palette, colour) {
  let best = 0;
  palette.forEach((other, at) => {
    if (distance(other, colour) < distance(palette[best] ?? 0, colour)) best = at;
  });
  return best;
}

/**
 * A PNG with a palette.
 * @param {Picture} picture
 * @param {number} most How many colours, at most 256.
 */
export function encode(picture, most) {
  const { palette, indices } = quantise(picture, most);
  const rows = Buffer.alloc(picture.height * (picture.width + 1));
  for (let row = 0; row < picture.height; row += 1) {
    rows.set(indices.subarray(row * picture.width, (row + 1) * picture.width), row * (picture.width + 1) + 1);
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(picture.width, 0);
  head.writeUInt32BE(picture.height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const data = deflateSync(rows, { level: 9, memLevel: 9 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('PLTE', colours),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/**
 * @param {string} name
 * @param {Buffer} data
 */
function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

/** @param {Buffer} bytes */
function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * Pixels that differ by more than `delta` in a channel; all of them where the sizes differ.
 * @param {Picture} a
 * @param {Picture} b
 * @param {number} delta
 */
export function differing(a, b, delta) {
  if (a.width !== b.width || a.height !== b.height) return Math.max(a.width * a.height, b.width * b.height);
  let found = 0;
  for (let at = 0; at < a.data.length; at += 4) {
    let most = 0;
    for (let channel = 0; channel < 3; channel += 1) {
      most = Math.max(most, Math.abs((a.data[at + channel] ?? 0) - (b.data[at + channel] ?? 0)));
    }
    if (most > delta) found += 1;
  }
  return found;
}

// Node that loads the sensors as an addon: functions get hot and are compiled, also regular expressions and a
// module of WebAssembly; a worker thread has an engine of its own.
'use strict';

const { Worker } = require('node:worker_threads');

process.dlopen({ exports: {} }, process.argv[2]);

// (module (func (export "double") (param i32) (result i32) local.get 0 local.get 0 i32.add))
const MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 7, 10, 1, 6, 100, 111, 117, 98, 108, 101, 0, 0,
  10, 9, 1, 7, 0, 32, 0, 32, 0, 106, 11,
]);

const TURN = `
  let round = 0;
  setInterval(() => {
    round += 1;
    const made = new Function('value', 'return value * ' + round + ' + 1');
    let sum = 0;
    for (let at = 0; at < 50000; at += 1) sum += made(at) % 7;
    const found = 'abc'.repeat(200).match(new RegExp('(a|b)+c{1,' + (1 + round % 9) + '}', 'g'));
    if (!(sum > 0) || found === null) throw new Error('arithmetic is broken');
  }, 40);
`;

new Worker(TURN, { eval: true });
setInterval(() => {
  const { double } = new WebAssembly.Instance(new WebAssembly.Module(MODULE)).exports;
  if (double(21) !== 42) throw new Error('WebAssembly is broken');
}, 100);
eval(TURN);

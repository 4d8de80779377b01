// Every cheat of the catalogue, played. `npm run cheats` runs this suite alone and prints its table.
import { describe, expect, it } from 'vitest';
import type { Cheat } from './catalogue.js';
import { GATE_CHEATS } from './gate.js';
import { INVOICE_CHEATS } from './invoice.js';
import { REUSE_CHEATS } from './reuse.js';
import { RIVAL_CHEATS } from './rival.js';
import { ROUTE_CHEATS } from './route.js';
import { STATE_CHEATS } from './state.js';

/** As many as payments.md lists. */
const DOCUMENTED = 56;
const RIVALS = 8;

const CATALOGUE: readonly (readonly [string, readonly Cheat[]])[] = [
  ['invoice', INVOICE_CHEATS],
  ['reuse', REUSE_CHEATS],
  ['gate', GATE_CHEATS],
  ['state', STATE_CHEATS],
  ['route', ROUTE_CHEATS],
  ['rival', RIVAL_CHEATS],
];

for (const [area, cheats] of CATALOGUE) {
  describe(`cheats > ${area}`, () => {
    for (const { number, name, sent, reason, play } of cheats) {
      it(`cheat ${number} ${name} (${sent}) > ${reason}`, async ({ task }) => {
        // For the reporter of `npm run cheats`.
        Object.assign(task.meta, { cheat: { number, name, reason } });
        await play();
      });
    }
  });
}

describe('cheats > the catalogue', () => {
  it('leaves none of the 56 out, and none of the rival', () => {
    const numbers = new Set(CATALOGUE.flatMap(([, cheats]) => cheats.map(({ number }) => number)));
    const all = [
      ...Array.from({ length: DOCUMENTED }, (_, index) => String(index + 1)),
      ...Array.from({ length: RIVALS }, (_, index) => `R${index + 1}`),
    ];
    expect([...numbers]).toEqual(all);
  });
});

// Whom a node dials. Rules: docs/transport.md, Whom a node dials.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import type { NodeId } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { NetworkGroups } from '../../../src/routing/network-group.js';
import { AddressBook, type Candidate } from '../../../src/transport/address-book.js';
import { identity } from '../../support/identities.js';

const ADDRESS = '198.51.100.7:8334';
const LEARNED: Candidate = { address: ADDRESS, source: 'learned', pin: identity(1).nodeId };

function bookOf(slots: number): { book: AddressBook; due: () => readonly (string | NodeId | null)[][] } {
  const clock = new VirtualClock();
  const book = new AddressBook({ clock, random: new SeededRandom(1), groups: new NetworkGroups(), slots });
  const connected = { has: () => false, slotHosts: [] };
  return { book, due: () => book.due(connected, 8).map(({ source, pin }) => [source, pin]) };
}

describe('address book', () => {
  it('takes what the operator says of an address in place of what peers told', () => {
    const { book, due } = bookOf(0);
    book.add(LEARNED);
    expect(due()).toEqual([]);
    book.add({ address: ADDRESS, source: 'static', pin: null });
    expect(due()).toEqual([['static', null]]);
  });

  it('believes no peer about an address that the operator named', () => {
    const { book, due } = bookOf(8);
    book.add({ address: ADDRESS, source: 'static', pin: null });
    book.add(LEARNED);
    expect(due()).toEqual([['static', null]]);
  });

  it('has as many slots as it is given while it runs', () => {
    const { book, due } = bookOf(0);
    book.add(LEARNED);
    book.slots = 1;
    expect(due()).toEqual([['learned', LEARNED.pin]]);
  });
});

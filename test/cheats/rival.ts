// What a rival falls for, beyond the 56.
import { expect } from 'vitest';
import { concatBytes } from '../../src/core/bytes.js';
import { SeededRandom } from '../../src/core/random.js';
import { reasonName, type ReasonName } from '../../src/core/reasons.js';
import type { LightningProof } from '../../src/packet/proof.js';
import {
  again,
  cheatNet,
  deliveries,
  free,
  invoice,
  overwrite,
  text,
  withProof,
} from '../support/engine-cheats.js';
import { PLENTY_MSAT, type EngineNet } from '../support/engine-net.js';
import { SIGNATURE_GROUPS, withGroups, type InvoiceOptions } from '../support/invoices.js';
import { cheat, type Cheat } from './catalogue.js';

const GROUP_BITS = 5;
/** Without the recovery id, which has no part in a signature whose key is named. */
const NAMED_KEY_GROUPS = 102;
const RANDOM_SIGNATURES = 500;
const REPEATS = 100;

/** Every change of a good invoice's signature is refused for one of the reasons, changes nothing, and kills nobody. */
async function withSignatures(
  options: Partial<InvoiceOptions>,
  changes: Iterable<(groups: number[]) => number[]>,
  reasons: readonly ReasonName[],
): Promise<void> {
  const net = await cheatNet();
  try {
    const good = net.pay(2, options);
    const before = net.node(1).state();
    let tried = 0;
    for (const change of changes) {
      const paymentProof: LightningProof = { ...good, invoice: withGroups(good.invoice, change) };
      const outcome = await net.inject(0, 1, net.packet([0, 1, 2], { paymentProof }));
      const told = outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind;
      expect(reasons, `signature ${tried}: ${told}`).toContain(told);
      tried += 1;
    }
    expect(tried).toBeGreaterThanOrEqual(RANDOM_SIGNATURES);
    expect(net.node(1).state()).toEqual(before);
    const honest = await net.inject(0, 1, net.packet([0, 1, 2], { paymentProof: good }));
    expect(honest.kind).toBe('forwarded');
  } finally {
    await net.close();
  }
}

/** Each bit of so many groups of the signature flipped, one at a time. */
function* flippedBits(count: number): Generator<(groups: number[]) => number[]> {
  for (let group = 0; group < count; group++) {
    for (let bit = 0; bit < GROUP_BITS; bit++) {
      yield (groups) => {
        const at = groups.length - SIGNATURE_GROUPS + group;
        return groups.with(at, (groups[at] ?? 0) ^ (1 << bit));
      };
    }
  }
}

function* randomSignatures(): Generator<(groups: number[]) => number[]> {
  const random = new SeededRandom(73);
  for (let n = 0; n < RANDOM_SIGNATURES; n++) {
    const signature = Array.from(random.bytes(SIGNATURE_GROUPS), (byte) => byte & 0x1f);
    yield (groups) => [...groups.slice(0, -SIGNATURE_GROUPS), ...signature];
  }
}

/** Every replay is refused, one packet arrives, one posting is made. */
async function oneHundredTimes(): Promise<void> {
  const net = await cheatNet();
  try {
    const first = net.packet([0, 1, 2]);
    expect((await net.inject(0, 1, first)).kind).toBe('forwarded');
    for (let n = 0; n < REPEATS; n++) {
      const outcome = await net.inject(0, 1, { ...first, sequence: first.sequence + BigInt(n) + 1n });
      expect(outcome.kind === 'refused' && reasonName(outcome.reason)).toBe('ReplayedPayment');
    }
    await net.run(100);
    expect(deliveries(net)).toEqual([0, 0, 1, 0]);
    expect(net.node(1).ledger.totals().postings).toBe(1);
  } finally {
    await net.close();
  }
}

/** Amounts of every remainder: destination 90 %, treasury 10 %, nothing lost, and the log says so too. */
async function splitOfTwo(net: EngineNet): Promise<void> {
  let paidMsat = 0n;
  let treasuryMsat = 0n;
  for (let n = 0n; n < 20n; n++) {
    const amountMsat = PLENTY_MSAT + n;
    const paymentProof = net.pay(1, { amountMsat });
    expect((await net.inject(0, 1, net.packet([0, 1], { paymentProof }))).kind).toBe('delivered');
    paidMsat += amountMsat;
    const { totalMsat, destinationMsat, routersMsat, treasuryMsat: treasury } = net.node(1).ledger.totals();
    expect(totalMsat).toBe(paidMsat);
    expect(destinationMsat + treasury).toBe(paidMsat);
    expect(routersMsat).toBe(0n);
    // 10 %, rounded down or up.
    expect(treasury - treasuryMsat - amountMsat / 10n).toBeLessThanOrEqual(1n);
    treasuryMsat = treasury;
  }
  expect((await net.node(1).audit()).conserved).toBe(true);
}

export const RIVAL_CHEATS: readonly Cheat[] = [
  cheat(
    'R1',
    'amount that overflows 64 bits',
    'an invoice of 2^64 msat and some, claimed as some',
    'AmountNotExact',
    invoice({ amountMsat: (1n << 64n) + PLENTY_MSAT }, { amountMsats: PLENTY_MSAT }),
  ),
  cheat(
    'R2',
    'upper-case copy of a used invoice',
    'a used invoice in capitals',
    'ReplayedPayment',
    again((from) =>
      withProof(from, { invoice: (from.paymentProof as LightningProof).invoice.toUpperCase() }),
    ),
  ),
  cheat(
    'R3',
    'all-zero signature',
    '65 zero bytes as signature',
    'InvoiceSignature',
    text((good) => overwrite(good, SIGNATURE_GROUPS, new Array<number>(SIGNATURE_GROUPS).fill(0))),
  ),
  {
    number: 'R4',
    name: 'corrupted signatures',
    sent: 'a good invoice with each bit of its signature flipped, 520 in all',
    reason: 'PayeeNotAccepted or InvoiceSignature',
    play: () => withSignatures({}, flippedBits(SIGNATURE_GROUPS), ['PayeeNotAccepted', 'InvoiceSignature']),
  },
  {
    number: 'R4',
    name: 'corrupted signatures under n',
    sent: 'a good invoice that names its payee, with each bit of r and s flipped',
    reason: 'InvoicePayeeMismatch or InvoiceSignature',
    play: () =>
      withSignatures({ namesPayee: true }, flippedBits(NAMED_KEY_GROUPS), [
        'InvoicePayeeMismatch',
        'InvoiceSignature',
        'InvoiceHighS',
      ]),
  },
  {
    number: 'R5',
    name: 'random signatures',
    sent: `${RANDOM_SIGNATURES} random signatures, which make a rival panic`,
    reason: 'PayeeNotAccepted or InvoiceSignature',
    play: () => withSignatures({}, randomSignatures(), ['PayeeNotAccepted', 'InvoiceSignature']),
  },
  cheat(
    'R6',
    '00 01 prefix as Stratum',
    'the bytes 00 01 and a text under type StratumV2',
    'TypeMismatch',
    free({
      packetType: 'StratumV2',
      payload: concatBytes(Uint8Array.of(0, 1), new TextEncoder().encode('hello, mesh')),
    }),
  ),
  {
    number: 'R7',
    name: 'one payment a hundred times over',
    sent: `one proof in ${REPEATS} more packets`,
    reason: 'ReplayedPayment',
    play: oneHundredTimes,
  },
  {
    number: 'R8',
    name: 'two-node route losing 30 %',
    sent: "payments without a router: their 30 % must be the destination's",
    reason: 'nothing lost',
    play: async () => {
      const net = await cheatNet();
      try {
        await splitOfTwo(net);
      } finally {
        await net.close();
      }
    },
  },
];

// Bitcoin messages of a batch hashed together: looking ahead changes nothing of what is said of any packet.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';
import { makeInvoice, proofOf } from '../../support/invoices.js';
import { honestPacket } from '../../support/judge-trace.js';
import { paidPacket, SELF, SOURCE } from '../../support/paid-packets.js';
import { stratumSample } from '../../support/stratum-samples.js';

const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);
const rules = { self: SELF, network: 'regtest' } as const;

/** A kernel and its workspace, in which packets are laid one behind another as a worker has them. */
class Desk {
  readonly kernel = WasmKernel.load(SECRET);
  readonly #workspace = this.kernel.workspace(LIMITS.BATCH_BYTES);

  place(packets: readonly Uint8Array[]): readonly Uint8Array[] {
    let end = 0;
    return packets.map((bytes) => {
      const start = end;
      this.#workspace.set(bytes, start);
      end = (start + bytes.length + 7) & ~7;
      return this.#workspace.subarray(start, start + bytes.length);
    });
  }

  /** Places packets and looks at them ahead, as far as they are announced. */
  placeAhead(packets: readonly Uint8Array[]): readonly Uint8Array[] {
    const placed = this.place(packets);
    const { ahead } = this.kernel;
    const announced = placed.slice(0, ahead.length / 2);
    for (const [index, { byteOffset, length }] of announced.entries()) {
      ahead[2 * index] = byteOffset;
      ahead[2 * index + 1] = length;
    }
    this.kernel.lookAhead(rules, announced.length);
    return placed;
  }

  /** What the kernel says of a packet in its place: what it is and its mark, or that it is not sure. */
  said(placed: Uint8Array): string {
    const examined = this.kernel.examine(placed, rules, SOURCE);
    return examined === null
      ? 'unsure'
      : `${examined.kind} ${examined.protocol} at ${examined.position}: ${[...examined.mark].join(' ')}`;
  }
}

const ahead = new Desk();
const plain = new Desk();

const free = (packetType: MeshPacket['packetType'], payload: Uint8Array): Uint8Array =>
  encodePacket({ ...paidPacket(proofOf(makeInvoice({ seed: 1 }))), paymentProof: null, packetType, payload });
const bitcoin = (bodyBytes: number, network: 'regtest' | 'mainnet' = 'regtest'): Uint8Array =>
  free('BitcoinP2P', encodeBitcoinMessage(network, 'tx', new SeededRandom(bodyBytes).bytes(bodyBytes)));
const stratum = free('StratumV2', stratumSample(present(STRATUM_MESSAGES[7], 'a message'), 'full'));
const paid = encodePacket(honestPacket(1));

/** With one byte changed, counted from the end. */
function changed(bytes: Uint8Array, fromEnd: number): Uint8Array {
  const copy = bytes.slice();
  const at = copy.length - 1 - (fromEnd % copy.length);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

const packet = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 2_000 }).map((bytes) => bitcoin(bytes)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 1_500 }), fc.nat(2_000))
      .map(([bytes, fromEnd]) => changed(bitcoin(bytes), fromEnd)),
  },
  { weight: 1, arbitrary: fc.constantFrom(stratum, paid, bitcoin(200, 'mainnet'), new Uint8Array(0)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.nat(400), fc.nat(500)).map(([bytes, cut]) => bitcoin(bytes).subarray(0, cut)),
  },
);

describe('wasm § packets looked at ahead', () => {
  it('are what they are without', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 40 }), (packets) => {
        const expected = plain.place(packets).map((placed) => plain.said(placed));
        expect(ahead.placeAhead(packets).map((placed) => ahead.said(placed))).toEqual(expected);
      }),
    );
  });

  it('each length of a body, short and long', () => {
    const packets = Array.from({ length: 720 }, (_, bodyBytes) => bitcoin(bodyBytes));
    for (let start = 0; start < packets.length; start += 40) {
      const some = packets.slice(start, start + 40);
      const expected = plain.place(some).map((placed) => plain.said(placed));
      expect(expected.every((said) => said.startsWith('free BitcoinP2P'))).toBe(true);
      expect(ahead.placeAhead(some).map((placed) => ahead.said(placed))).toEqual(expected);
    }
  });

  it.each([1, 2, 3, 7])('%i bodies that are all long', (count) => {
    const packets = Array.from({ length: count }, (_, index) => bitcoin(900 + 300 * index));
    const expected = plain.place(packets).map((placed) => plain.said(placed));
    expect(ahead.placeAhead(packets).map((placed) => ahead.said(placed))).toEqual(expected);
    const wrong = packets.map((bytes, index) => (index % 2 === 0 ? changed(bytes, 40) : bytes));
    const judged = ahead.placeAhead(wrong).map((placed) => ahead.said(placed));
    expect(judged).toEqual(expected.map((said, index) => (index % 2 === 0 ? 'unsure' : said)));
  });

  it('more than fit into the list, and some of them left out', () => {
    const packets = Array.from({ length: 300 }, (_, index) => bitcoin(64 + index));
    const expected = plain.place(packets).map((placed) => plain.said(placed));
    const placed = ahead.placeAhead(packets);
    for (const [index, one] of placed.entries()) {
      if (index % 3 !== 1) expect(ahead.said(one)).toBe(expected[index]);
    }
  });

  it('all of the list, long ones and short ones', () => {
    const packets = Array.from({ length: 256 }, (_, index) => bitcoin(index % 2 === 0 ? 1_000 : 100));
    const expected = plain.place(packets).map((placed) => plain.said(placed));
    expect(ahead.placeAhead(packets).map((placed) => ahead.said(placed))).toEqual(expected);
  });

  it('a hash is for the bytes that were there: others in the same place are hashed anew', () => {
    const packets = [bitcoin(100), bitcoin(101), bitcoin(102)];
    const [first] = ahead.placeAhead(packets);
    const place = present(first, 'the first of three');
    expect(ahead.said(place)).toMatch(/^free/);
    place.set(changed(bitcoin(100), 20));
    expect(ahead.said(place)).toBe('unsure');
  });
});

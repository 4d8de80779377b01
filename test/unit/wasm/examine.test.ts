// Packets looked at where they lie: what the kernel takes is what the plain twin says, and ordinary packets are taken.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutated } from '../../../src/api/fuzz/mutate.js';
import { present } from '../../../src/core/assert.js';
import { equalBytes } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { randomBelow, SeededRandom, systemRandom } from '../../../src/core/random.js';
import { reasonName } from '../../../src/core/reasons.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { PlainProtocolDetector } from '../../../src/packet/detect.js';
import { encodePacket, viewPacket, type MeshPacket } from '../../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { QuickInvoiceReader } from '../../../src/payment/bolt11/quick.js';
import { judgePacket, judgeTools, type JudgeTools } from '../../../src/pool/judge.js';
import { withoutHints, type PacketVerdict } from '../../../src/pool/judge-port.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { PlainReplayTable } from '../../../src/replay/table.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';
import { followingNumber, type ToldPacket } from '../../support/follows.js';
import { ISSUED_AT, makeInvoice, proofOf } from '../../support/invoices.js';
import { honestPacket, judgeTrace } from '../../support/judge-trace.js';
import { plainMark } from '../../support/marks.js';
import { paidPacket, SELF, SOURCE, testNode, testPolicy } from '../../support/paid-packets.js';
import { stratumSample } from '../../support/stratum-samples.js';

const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);
const seed = Number(process.env['FUZZ_SEED'] ?? randomBelow(systemRandom, 2 ** 32));

const kernel = WasmKernel.load(SECRET);
const workspace = kernel.workspace(LIMITS.PACKET_BYTES);
const rules = { self: SELF, network: 'regtest' } as const;

/** The bytes where the kernel looks at them. */
function placed(bytes: Uint8Array): Uint8Array {
  workspace.set(bytes);
  return workspace.subarray(0, bytes.length);
}

function free(packetType: MeshPacket['packetType'], payload: Uint8Array): MeshPacket {
  return { ...paidPacket(proofOf(makeInvoice({ seed: 1 }))), paymentProof: null, packetType, payload };
}

const FIELDS = [
  ...(['version', 'packetType', 'source', 'destination', 'route', 'sequence', 'timestamp'] as const),
  ...(['payload', 'metadata'] as const),
];
const PROOF_FIELDS = ['kind', 'invoice', 'preimage', 'amountMsats', 'timestamp', 'expiresAt'] as const;

function fieldsOf<T extends object>(value: T, names: readonly (keyof T)[]): object {
  return Object.fromEntries(names.map((name) => [name, value[name]]));
}

/** All that a packet says, its own arrays and texts. */
function shown(packet: MeshPacket): object {
  const { paymentProof } = packet;
  const proof = paymentProof?.kind === 'Lightning' ? fieldsOf(paymentProof, PROOF_FIELDS) : paymentProof;
  return structuredClone({ ...fieldsOf(packet, FIELDS), proof });
}

function viewed(bytes: Uint8Array): MeshPacket {
  const decoded = viewPacket(bytes);
  if (!decoded.ok) throw new Error(decoded.failure.detail);
  return decoded.value.packet;
}

const bitcoin = (bytes: number): MeshPacket =>
  free('BitcoinP2P', encodeBitcoinMessage('regtest', 'tx', new SeededRandom(bytes).bytes(bytes)));
const stratum = (index: number): MeshPacket =>
  free('StratumV2', stratumSample(present(STRATUM_MESSAGES[index], 'a message'), 'full'));
const named = { protocol: 'onion-v1', fields: new Map<string, string>() };

describe('wasm § packets where they lie', () => {
  it.each([
    ['a short Bitcoin message', bitcoin(8), true],
    ['a Bitcoin message whose body the host hashes', bitcoin(1_400), true],
    ['a Bitcoin message without a body', bitcoin(0), true],
    ['a Stratum V2 message', stratum(7), true],
    ['a free packet that names a protocol', { ...bitcoin(100), metadata: named }, true],
    ['a paid packet', honestPacket(1), true],
    ['a paid packet of the oldest generation', honestPacket(1), false],
    ['a paid packet that names a protocol', { ...honestPacket(2), metadata: named }, true],
    [
      'a paid packet with empty metadata',
      { ...honestPacket(2), metadata: { ...named, protocol: null } },
      true,
    ],
    ['a paid packet over ten hops', { ...honestPacket(3), route: longRoute(honestPacket(3)) }, true],
    [
      'a paid packet with the largest payload',
      { ...honestPacket(4), payload: new Uint8Array(262_144) },
      true,
    ],
  ])('takes %s, as the plain reader reads it', (_, packet, magic) => {
    const bytes = encodePacket(packet, { magic });
    const plain = viewed(bytes);
    const position = plain.route.findIndex((id) => equalBytes(id, SELF));
    const before = present(plain.route[position - 1], 'this node is not the first');
    expect(kernel.examine(placed(bytes), rules, testNode(77))).toBeNull();
    const examined = present(kernel.examine(placed(bytes), rules, before), 'an ordinary packet is taken');
    if (examined.kind === 'paid') expect(shown(examined.packet)).toEqual(shown(plain));
    expect(examined.kind).toBe(packet.paymentProof === null ? 'free' : 'paid');
    expect(examined.hops).toBe(plain.route.length - 1);
    expect(examined.payloadBytes).toBe(plain.payload.length);
    if (examined.kind === 'free') {
      expect(examined.mark).toEqual(plainMark(SECRET, bytes, examined.protocol));
    } else {
      const proof = plain.paymentProof;
      const text = proof?.kind === 'Lightning' ? proof.invoice : '';
      expect(Buffer.from(invoiceBytes(examined.packet)).toString()).toBe(text);
    }
  });

  it.each([
    ['bytes outside of its memory', honestPacket(1), (bytes: Uint8Array) => bytes],
    ['a control packet', { ...free('CommonsGovernance', SOURCE), metadata: hello() }, placed],
    ['governance', free('CommonsGovernance', new Uint8Array(40)), placed],
    [
      'a Bitcoin message of another network',
      free('BitcoinP2P', encodeBitcoinMessage('mainnet', 'tx', SELF)),
      placed,
    ],
    ['a Stratum message as Bitcoin', { ...stratum(7), packetType: 'BitcoinP2P' as const }, placed],
    ['a free packet with a proof', { ...bitcoin(8), paymentProof: honestPacket(1).paymentProof }, placed],
    ['a paid packet without one', { ...honestPacket(1), paymentProof: null }, placed],
    [
      'a quote',
      { ...honestPacket(1), metadata: { protocol: null, fields: new Map([['quote_id', '00']]) } },
      placed,
    ],
    ['another version', { ...honestPacket(1), version: 2 }, placed],
    ['a route that this node is not on', { ...honestPacket(1), route: [SOURCE, testNode(4)] }, placed],
  ])('says nothing of %s', (_, packet, place) => {
    expect(kernel.examine(place(encodePacket(packet)), rules, SOURCE)).toBeNull();
  });

  it('says nothing of a packet that was cut anywhere, or has a byte behind it', () => {
    for (const packet of [honestPacket(1), bitcoin(40), { ...honestPacket(1), metadata: named }]) {
      const bytes = encodePacket(packet);
      for (let length = 0; length < bytes.length; length++) {
        expect(
          kernel.examine(placed(bytes.subarray(0, length)), rules, SOURCE),
          `${length} bytes`,
        ).toBeNull();
      }
      expect(kernel.examine(placed(new Uint8Array([...bytes, 0])), rules, SOURCE)).toBeNull();
    }
  });
});

describe('wasm § packets that follow each other', () => {
  const sender = { previousHop: SOURCE, origin: 'peer', peer: '' } as const;

  it('are those that begin as the free packet before, whatever comes in between', () => {
    const numbers = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    const beginnings = [
      { type: bitcoin, route: [SOURCE, SELF, testNode(70)] },
      { type: bitcoin, route: [SOURCE, SELF, testNode(71)] },
      { type: bitcoin, route: [SOURCE, SELF] },
      { type: bitcoin, route: [SOURCE, SELF, testNode(60), testNode(70)] },
      { type: stratum, route: [SOURCE, SELF, testNode(70)] },
    ];
    const one = fc.record({
      ...{ kind: fc.nat(beginnings.length + 10), sequence: numbers, body: fc.nat(900), magic: fc.boolean() },
      change: fc.option(fc.nat(2_000), { freq: 9 }),
    });
    const made = one.map(({ kind, sequence, body, magic, change }) => {
      const { type, route } = present(beginnings[kind] ?? beginnings[0], 'a beginning');
      const destination = present(route[route.length - 1], 'a last one');
      const bytes = encodePacket(
        { ...type(type === stratum ? 7 : body), sequence, route, destination },
        { magic },
      );
      // One byte changed, whichever.
      if (change !== null && change < bytes.length) bytes[change] = (bytes[change] ?? 0) ^ 1;
      return bytes;
    });
    const other = fc
      .constantFrom(honestPacket(1), free('CommonsGovernance', SOURCE))
      .map((p) => encodePacket(p));
    let followed = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: made }, other), { maxLength: 60 }), (packets) => {
        let before: ToldPacket | null = null;
        kernel.examine(placed(encodePacket(honestPacket(1))), rules, SOURCE);
        for (const bytes of packets) {
          const examined = kernel.examine(placed(bytes), rules, SOURCE);
          const now: ToldPacket = { bytes, sender, kind: examined?.kind ?? 'refused' };
          const number = followingNumber(before, now);
          if (examined?.kind === 'free') {
            expect(examined.follows).toBe(number !== null);
            expect(examined.mark).toEqual(plainMark(SECRET, bytes, examined.protocol));
            const { sequenceNumber } = examined;
            if (Number.isSafeInteger(sequenceNumber))
              expect(BigInt(sequenceNumber)).toBe(examined.packet.sequence);
            else expect(examined.packet.sequence).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
          }
          if (number !== null) followed += 1;
          before = now;
        }
      }),
    );
    expect(followed).toBeGreaterThan(50);
  });

  it('are none where other rules hold, or another neighbour speaks', () => {
    const bytes = encodePacket(bitcoin(100));
    const said = (theirs: typeof rules, from: typeof SOURCE): boolean | null =>
      kernel.examine(placed(bytes), theirs, from)?.follows ?? null;
    expect([said(rules, SOURCE), said(rules, SOURCE)]).toEqual([false, true]);
    expect([said(rules, testNode(77)), said(rules, SOURCE)]).toEqual([null, false]);
    expect(said({ ...rules, self: testNode(78) }, SOURCE)).toBeNull();
    expect([said(rules, SOURCE), said(rules, SOURCE)]).toEqual([false, true]);
  });
});

describe('wasm § verdicts on packets where they lie', () => {
  it(`are those of the plain way, for honest, hostile and damaged packets (seed ${seed})`, () => {
    const random = new SeededRandom(seed);
    const corpus = judgeTrace(seed % 1_000, 150);
    const bytes = corpus.map((traced) => traced.bytes);
    const plain = toolsWith(false);
    const fast = toolsWith(true);
    let taken = 0;
    for (let index = 0; index < 4_000; index++) {
      const { bytes: whole, sender } = present(corpus[index % corpus.length], 'a packet of the trace');
      const input = index < corpus.length ? whole : mutated(bytes, random);
      if (input.length > LIMITS.PACKET_BYTES) continue;
      const context = { ...sender, nowSeconds: ISSUED_AT + 10 };
      const expected = judgePacket(input, context, plain);
      const found = judgePacket(placed(input), context, fast);
      expect(readable(found), `packet ${index}`).toEqual(readable(expected));
      if (kernel.examine(placed(input), rules, SOURCE) !== null) taken++;
    }
    expect(taken).toBeGreaterThan(50);
  });
});

function toolsWith(isFast: boolean): JudgeTools {
  const fingerprinter = new PlainFingerprinter(SECRET);
  return judgeTools(testPolicy(), {
    ...(isFast ? { examiner: kernel, quickInvoices: new QuickInvoiceReader(kernel) } : {}),
    detector: isFast ? kernel : new PlainProtocolDetector(),
    decoder: new Bolt11Decoder({ sha256: (data) => kernel.sha256(data) }),
    table: new PlainReplayTable(),
    sha256: (data) => kernel.sha256(data),
    fingerprinter: isFast ? kernel : fingerprinter,
  });
}

function readable(verdict: PacketVerdict): object {
  return { ...withoutHints(verdict), reason: reasonName(verdict.reason) };
}

function longRoute(packet: MeshPacket): MeshPacket['route'] {
  const [source = SOURCE, ...rest] = packet.route;
  const between = Array.from({ length: 11 - packet.route.length }, (_, index) => testNode(50 + index));
  return [source, ...between, ...rest];
}

function hello(): MeshPacket['metadata'] {
  return { protocol: 'mesh-hello-v1', fields: new Map() };
}

function invoiceBytes({ paymentProof }: MeshPacket): Uint8Array {
  return paymentProof?.kind === 'Lightning' ? (paymentProof.invoiceBytes ?? SELF) : SELF;
}

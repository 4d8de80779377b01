/** What is measured. The first task of a group is the reference of the others. */
import { createHash, randomBytes } from 'node:crypto';
import { PlainFingerprinter } from '#dist/replay/fingerprint.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import { PlainReplayTable, type ReplayTable } from '#dist/replay/table.js';
import { concatBytes } from '#dist/core/bytes.js';
import { sha256 } from '#dist/core/hash.js';
import { splitFee } from '#dist/ledger/fee.js';
import { PlainProtocolDetector, type ProtocolDetector } from '#dist/packet/detect.js';
import { BITCOIN_HEADER_BYTES } from '#dist/packet/bitcoin-wire.js';
import { decodePacket, encodePacket } from '#dist/packet/packet.js';
import { encodeStratumMessage } from '#dist/packet/stratum-wire.js';
import { Bolt11Decoder } from '#dist/payment/bolt11/decode.js';
import { systemClock } from '#dist/core/clock.js';
import { VerdictPool } from '#dist/pool/verdict-pool.js';
import type { PacketVerdict } from '#dist/pool/judge-port.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { reading, signatures } from './bolt11.js';
import { issuedInvoices } from './issued.js';
import { durableClaims } from './journal.js';
import { bitcoinMessage, freePackets, paidPackets, POLICY, SOURCE } from './samples.js';
import type { Group, Task } from './suite.js';

const SECRET = new Uint8Array(randomBytes(16));
const KEYS = Array.from({ length: 4_096 }, () => new Uint8Array(randomBytes(32)));
const FAR_FUTURE = 4_000_000_000;
const POOL_PACKETS = 512;

const kernel = new WasmKernel(compileKernel(), SECRET);

const repeated = (
  name: string,
  unit: string,
  operations: number,
  once: (index: number) => unknown,
): Task => ({
  name,
  unit,
  operations,
  run: () => {
    for (let i = 0; i < operations; i++) once(i);
  },
});

function codec(): Group {
  const [bytes = new Uint8Array(0)] = paidPackets(1, 200);
  const decoded = decodePacket(bytes);
  if (!decoded.ok) throw new Error('the sample decodes');
  const { packet } = decoded.value;
  return {
    name: 'packet of 200 B payload, paid',
    tasks: [
      repeated('copied', 'packets/s', 1_000, () => bytes.slice()),
      repeated('decoded', 'packets/s', 1_000, () => decodePacket(bytes)),
      repeated('encoded', 'packets/s', 1_000, () => encodePacket(packet)),
    ],
  };
}

function hashing(): Group {
  const out = new Int32Array(4);
  const plain = new PlainFingerprinter(SECRET);
  const key = (index: number): Uint8Array => KEYS[index % KEYS.length] ?? SECRET;
  return {
    name: 'hash of 32 B',
    tasks: [
      repeated('SHA-256, node:crypto', 'hashes/s', 1_000, (i) =>
        createHash('sha256').update(key(i)).digest(),
      ),
      repeated('SHA-256, @noble/hashes', 'hashes/s', 1_000, (i) => sha256(key(i))),
      repeated('SHA-256, WASM', 'hashes/s', 1_000, (i) => kernel.sha256(key(i))),
      repeated('fingerprint, plain', 'hashes/s', 1_000, (i) => {
        plain.fingerprint(key(i), out);
      }),
      repeated('fingerprint, WASM', 'hashes/s', 1_000, (i) => {
        kernel.fingerprint(key(i), out);
      }),
    ],
  };
}

function detection(bytes: number): Group {
  const message = bitcoinMessage(bytes);
  const junk = new Uint8Array(randomBytes(bytes));
  const on = (name: string, detector: ProtocolDetector, data: Uint8Array): Task =>
    repeated(name, 'messages/s', 200, () => detector.detectProtocol(data));
  const plain = new PlainProtocolDetector();
  return {
    name: `detection, ${bytes} B`,
    tasks: [
      on('Bitcoin, plain', plain, message),
      on('Bitcoin, WASM', kernel, message),
      on('junk, plain', plain, junk),
      on('junk, WASM', kernel, junk),
    ],
  };
}

/** Many messages in one call: as they come from an open port, junk and the right beginnings of everything. */
function batchedDetection(): Group {
  const batches = {
    'junk of 40 B': Array.from({ length: 1_024 }, () => new Uint8Array(randomBytes(40))),
    'junk of 200 B': Array.from({ length: 256 }, () => new Uint8Array(randomBytes(200))),
    'Stratum V2, 38 B': Array.from({ length: 1_024 }, () =>
      encodeStratumMessage(0x1b, true, new Uint8Array([...randomBytes(24), 7, ...randomBytes(7)])),
    ),
  };
  const task = ([name, messages]: readonly [string, readonly Uint8Array[]]): Task => {
    const data = concatBytes(...messages);
    let end = 0;
    const ends = Uint32Array.from(messages, ({ length }) => (end += length));
    const codes = new Uint8Array(messages.length);
    return {
      name,
      unit: 'messages/s',
      operations: 100 * messages.length,
      run: () => {
        for (let i = 0; i < 100; i++) kernel.detectMany(data, ends, codes);
      },
    };
  };
  return { name: 'detection, batched', tasks: Object.entries(batches).map(task) };
}

/** The hash that a Bitcoin message's checksum is made of, as bytes a second. */
function checksum(bytes: number): Group {
  const message = bitcoinMessage(bytes + BITCOIN_HEADER_BYTES);
  const body = message.subarray(BITCOIN_HEADER_BYTES);
  const rounds = Math.max(4, Math.ceil(200_000 / bytes));
  const task = (name: string, once: () => unknown): Task => ({
    name,
    unit: 'bytes/s',
    operations: rounds * bytes,
    run: () => {
      for (let i = 0; i < rounds; i++) once();
    },
  });
  const native = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
  return {
    name: `checksum of ${bytes.toLocaleString('en')} B`,
    tasks: [
      task('node:crypto, twice', () => native(native(body))),
      task('a whole message detected', () => kernel.detectProtocol(message)),
    ],
  };
}

function replay(): Group {
  const filled = <T extends ReplayTable>(table: T): T => {
    for (const key of KEYS) table.claim(key, FAR_FUTURE);
    return table;
  };
  const plain = filled(new PlainReplayTable(1 << 18));
  const shared = filled(SharedReplayTable.create(kernel, 1 << 18));
  const hit = (name: string, table: ReplayTable): Task =>
    repeated(name, 'checks/s', 4_096, (i) => table.claim(KEYS[i] ?? SECRET, FAR_FUTURE));
  const miss = (name: string, table: ReplayTable): Task => {
    const strangers = KEYS.map((key) => sha256(key));
    return repeated(name, 'checks/s', 4_096, (i) => table.has(strangers[i] ?? SECRET));
  };
  return {
    name: 'replay check at 4,096 keys',
    tasks: [
      hit('hit, plain', plain),
      hit('hit, shared', shared),
      miss('miss, plain', plain),
      miss('miss, shared', shared),
    ],
  };
}

function payment(): Group {
  const [bytes = new Uint8Array(0)] = paidPackets(1, 200);
  const decoded = decodePacket(bytes);
  const proof = decoded.ok ? decoded.value.packet.paymentProof : null;
  const invoice = proof?.kind === 'Lightning' ? proof.invoice : '';
  const decoder = new Bolt11Decoder();
  const routers = [1n, 2n, 3n];
  return {
    name: 'payment',
    tasks: [
      repeated('invoice decoded and recovered', 'invoices/s', 20, () => decoder.decode(invoice)),
      repeated('fee split over 3 routers', 'splits/s', 1_000, (i) => splitFee(BigInt(10_000 + i), routers)),
    ],
  };
}

/** Whole packets through the worker pool; replays, so that a run can be repeated. */
async function pool(workers: number): Promise<Group> {
  const table = SharedReplayTable.create(kernel, 1 << 18);
  const log = { log: (): void => undefined };
  const judge = await VerdictPool.start({
    workers,
    policy: POLICY,
    table: table.memory,
    secret: SECRET,
    log,
    clock: systemClock,
  });
  const through = (name: string, packets: readonly Uint8Array[]): Task => ({
    name,
    unit: 'packets/s',
    operations: packets.length,
    run: (): Promise<readonly PacketVerdict[]> =>
      Promise.all(packets.map((packet) => judge.judge(packet, { previousHop: SOURCE, origin: 'peer' }))),
  });
  return {
    name: `pool of ${workers}`,
    tasks: [
      through('free, 200 B', freePackets(POOL_PACKETS, 200)),
      through('free, 1,400 B', freePackets(POOL_PACKETS, 1_400)),
      through('paid, invoice unknown', paidPackets(POOL_PACKETS, 200)),
    ],
    close: () => judge.close(),
  };
}

/** By name, made when asked for. */
export const GROUPS: ReadonlyMap<string, () => Group | Promise<Group>> = new Map<
  string,
  () => Group | Promise<Group>
>([
  ['codec', codec],
  ['hash', hashing],
  ['detect-200', () => detection(200)],
  ['detect-1400', () => detection(1_400)],
  ['detect-many', batchedDetection],
  ['checksum-1k', () => checksum(1_024)],
  ['checksum-1400', () => checksum(1_400)],
  ['checksum-4k', () => checksum(4_096)],
  ['checksum-64k', () => checksum(65_536)],
  ['checksum-1M', () => checksum(999_000)],
  ['replay', replay],
  ['journal', () => durableClaims((capacity) => SharedReplayTable.create(kernel, capacity))],
  ['payment', payment],
  ['invoice', reading],
  ['signature', signatures],
  ['issued', issuedInvoices],
  ['pool-1', () => pool(1)],
  ['pool-2', () => pool(2)],
]);

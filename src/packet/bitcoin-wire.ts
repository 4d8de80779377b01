/**
 * Whether bytes are exactly one message of the Bitcoin peer-to-peer protocol, version 1.
 *
 * Rules: payments.md, Free traffic (magic, known command NUL-padded to 12 bytes, exact length, double-SHA
 * checksum). Commands: Bitcoin Core and the BIPs 31, 35, 37, 61, 130, 133, 152, 155, 157, 330, 331, 339.
 */
import { equalBytes, utf8 } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import type { Network } from '../core/policy.js';

/** Magic, command, length, checksum. */
export const BITCOIN_HEADER_BYTES = 24;

const COMMAND_BYTES = 12;
const COMMAND_OFFSET = 4;
const LENGTH_OFFSET = 16;
const CHECKSUM_OFFSET = 20;
const CHECKSUM_BYTES = 4;

/** The four bytes that open every message of a network, in wire order. */
export const BITCOIN_MAGICS: { readonly [N in Network]: readonly [number, number, number, number] } = {
  mainnet: [0xf9, 0xbe, 0xb4, 0xd9],
  testnet: [0x0b, 0x11, 0x09, 0x07],
  testnet4: [0x1c, 0x16, 0x3f, 0x28],
  signet: [0x0a, 0x03, 0xcf, 0x40],
  regtest: [0xfa, 0xbf, 0xb5, 0xda],
};

/** Every command that a node of today may send; the last lines are the retired ones that old peers still send. */
export const BITCOIN_COMMANDS: readonly string[] = [
  'version',
  'verack',
  'addr',
  'addrv2',
  'sendaddrv2',
  'getaddr',
  'inv',
  'getdata',
  'notfound',
  'getblocks',
  'getheaders',
  'headers',
  'block',
  'tx',
  'mempool',
  'ping',
  'pong',
  'filterload',
  'filteradd',
  'filterclear',
  'merkleblock',
  'feefilter',
  'sendheaders',
  'sendcmpct',
  'cmpctblock',
  'getblocktxn',
  'blocktxn',
  'wtxidrelay',
  'getcfilters',
  'cfilter',
  'getcfheaders',
  'cfheaders',
  'getcfcheckpt',
  'cfcheckpt',
  'sendtxrcncl',
  'reqrecon',
  'sketch',
  'reqsketchext',
  'reconcildiff',
  'sendpackages',
  'getpkgtxns',
  'pkgtxns',
  'ancpkginfo',
  'reject',
  'alert',
];

/** Commands padded with NUL, one byte a character: the form in which they are compared. */
const paddedCommands: ReadonlySet<string> = new Set(
  BITCOIN_COMMANDS.map((command) => command.padEnd(COMMAND_BYTES, '\0')),
);

/** Networks by their magic, read as one number in little endian. */
const NETWORKS: ReadonlyMap<number, Network> = new Map(
  Object.entries(BITCOIN_MAGICS).map(([network, [a, b, c, d]]) => [
    littleEndian(a, b, c, d),
    network as Network,
  ]),
);

/** The network whose magic the bytes open with, or null. */
export function bitcoinNetwork(data: Uint8Array): Network | null {
  if (data.length < 4) return null;
  return NETWORKS.get(littleEndian(data[0] ?? 0, data[1] ?? 0, data[2] ?? 0, data[3] ?? 0)) ?? null;
}

function littleEndian(a: number, b: number, c: number, d: number): number {
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Whether the bytes are one whole message, of whichever network, and nothing more. */
export function isBitcoinMessage(data: Uint8Array): boolean {
  if (data.length < BITCOIN_HEADER_BYTES || bitcoinNetwork(data) === null) return false;
  let command = '';
  for (const byte of data.subarray(COMMAND_OFFSET, COMMAND_OFFSET + COMMAND_BYTES)) {
    command += String.fromCharCode(byte);
  }
  if (!paddedCommands.has(command)) return false;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(LENGTH_OFFSET, true) !== data.length - BITCOIN_HEADER_BYTES) return false;
  const checksum = data.subarray(CHECKSUM_OFFSET, CHECKSUM_OFFSET + CHECKSUM_BYTES);
  return equalBytes(checksum, bitcoinChecksum(data.subarray(BITCOIN_HEADER_BYTES)));
}

/** One message, as a node sends it: for tests, the fuzzer and the development node. */
export function encodeBitcoinMessage(network: Network, command: string, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(BITCOIN_HEADER_BYTES + body.length);
  message.set(BITCOIN_MAGICS[network]);
  message.set(utf8(command), COMMAND_OFFSET);
  new DataView(message.buffer).setUint32(LENGTH_OFFSET, body.length, true);
  message.set(bitcoinChecksum(body), CHECKSUM_OFFSET);
  message.set(body, BITCOIN_HEADER_BYTES);
  return message;
}

/** The first four bytes of SHA-256 of SHA-256. */
function bitcoinChecksum(body: Uint8Array): Uint8Array {
  return sha256(sha256(body)).subarray(0, CHECKSUM_BYTES);
}

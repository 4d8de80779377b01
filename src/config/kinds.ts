/**
 * Texts of the configuration that mean something: addresses, keys, names. A parser returns null for what is not
 * allowed and never throws.
 */
import { ECDH } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { nodeKey, parseNodeId, type NodeId, type NodeKey } from '../core/ids.js';
import { isPrefix } from '../routing/network-group.js';

/** A text which a parser understands. */
export interface TextKind<T> {
  /** What is allowed, to stand behind "each" or "is". */
  readonly allowed: string;
  readonly parse: (text: string) => T | null;
}

/** A host and a TCP port. */
export interface HostPort {
  /** An IPv4 address, an IPv6 address without its brackets, or a name. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, an IPv6 address in brackets. */
export const hostPort: TextKind<HostPort> = {
  allowed: '"host:port" (IPv6 as "[address]:port", port 1 to 65535)',
  parse: (text) => {
    const found = /^(?:\[([^\]]+)\]|([^:[\]]+)):([1-9]\d{0,4})$/.exec(text);
    if (found === null) return null;
    const [, ipv6, other, digits] = found;
    const port = Number(digits);
    if (port > 65_535) return null;
    if (ipv6 !== undefined) return isIPv6(ipv6) ? { host: ipv6, port } : null;
    return other !== undefined && isHost(other) ? { host: other, port } : null;
  },
};

/** An address of this node or another, kept as it was written. */
export const address: TextKind<string> = {
  allowed: hostPort.allowed,
  parse: (text) => (hostPort.parse(text) === null ? null : text),
};

/** A peer, and who it must be; `pin` is null for whoever answers there. */
export interface PeerEntry {
  readonly pin: NodeId | null;
  /** `host:port`. */
  readonly address: string;
}

/** `host:port`, or `NODEID@host:port`; null for anything else. */
export function peerEntry(text: string): PeerEntry | null {
  const at = text.indexOf('@');
  const where = text.slice(at + 1);
  const pin = at < 0 ? null : parseNodeId(text.slice(0, at));
  return hostPort.parse(where) === null || (at >= 0 && pin === null) ? null : { pin, address: where };
}

/** A peer, kept as it was written. */
export const peerAddress: TextKind<string> = {
  allowed: `${hostPort.allowed}, or "NODEID@host:port" for exactly this node`,
  parse: (text) => (peerEntry(text) === null ? null : text),
};

/** A compressed point of secp256k1: 33 bytes, kept as lower-case hex. */
export const lightningKey: TextKind<string> = {
  allowed: 'a compressed secp256k1 key (66 hex digits, first byte 02 or 03)',
  parse: (text) => {
    if (!/^0[23][\da-f]{64}$/i.test(text)) return null;
    try {
      ECDH.convertKey(text, 'secp256k1', 'hex', 'hex', 'compressed');
    } catch {
      return null; // no point of the curve has this x
    }
    return text.toLowerCase();
  },
};

/** The script of a transaction's output, kept as lower-case hex. The longest that is relayed is a multisignature's. */
export const outputScript: TextKind<string> = {
  allowed: 'an output script (2 to 400 hex digits, two a byte)',
  parse: (text) => (/^(?:[\da-f]{2}){1,200}$/i.test(text) ? text.toLowerCase() : null),
};

/** A node id as 64 hex digits. */
export const nodeIdText: TextKind<NodeKey> = {
  allowed: 'a node id (64 hex digits)',
  parse: (text) => {
    const id = parseNodeId(text);
    return id === null ? null : nodeKey(id);
  },
};

/** The id of a protocol, as it stands in a packet's metadata. */
export const protocolId: TextKind<string> = {
  allowed: 'a protocol id (1 to 64 letters, digits, dots, dashes or underscores)',
  parse: (text) => (/^[\w.-]{1,64}$/.test(text) ? text : null),
};

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): TextKind<T> {
  return {
    allowed: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text) ?? null,
  };
}

/** A network in CIDR notation. */
export const networkPrefix: TextKind<string> = {
  allowed: 'a network such as "203.0.113.0/24" or "2001:db8::/32"',
  parse: (text) => (isPrefix(text) ? text : null),
};

/** A path of a file. */
export const filePath: TextKind<string> = {
  allowed: 'the path of a file (1 to 1024 characters)',
  parse: (text) => (text.length >= 1 && text.length <= 1_024 && !text.includes('\0') ? text : null),
};

/** An IPv4 address or a DNS name. What looks like a broken IPv4 address is not taken for a name. */
function isHost(text: string): boolean {
  if (isIPv4(text)) return true;
  if (text.length > 253 || /^[\d.]+$/.test(text)) return false;
  return text.split('.').every((label) => /^[a-z\d](?:[\w-]{0,61}[a-z\d])?$/i.test(label));
}

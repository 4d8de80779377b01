/**
 * Addresses of the direct transport: reading, writing, and which of them may be learned from whom.
 *
 * Rules: docs/transport.md, Addresses. An address from a public peer is used only where it is public itself: otherwise a
 * peer could have this node knock at the doors of its operator's own network.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkGroups } from '../routing/network-group.js';

export interface HostAndPort {
  /** An IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, an IPv6 address in brackets; an IPv4 address mapped into IPv6 as IPv4. */
export function hostPortText(host: string, port: number): string {
  const plain = plainHost(host);
  return isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** Sockets that take both families name IPv4 peers as ::ffff:1.2.3.4. */
export function plainHost(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  return mapped?.[1] ?? host;
}

/** An IP address and a port; null for anything else, names among them: what peers tell is not looked up. */
export function parseIpPort(text: string): HostAndPort | null {
  const found = /^(?:\[([^\]%]+)\]|([\d.]+)):([1-9]\d{0,4})$/.exec(text);
  if (found === null) return null;
  const [, ipv6, ipv4, digits] = found;
  const port = Number(digits);
  if (port > 65_535) return null;
  if (ipv6 !== undefined) return isIPv6(ipv6) ? { host: plainHost(ipv6), port } : null;
  return ipv4 !== undefined && isIPv4(ipv4) ? { host: ipv4, port } : null;
}

/** Host and port of an address that the configuration has checked. */
export function hostAndPort(text: string): HostAndPort {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
}

/** Prefixes that have a network group but that nobody can be dialled at. */
const NOWHERE: readonly RegExp[] = [
  /^(?:22[4-9]|23\d|24\d|25[0-5])\./, // multicast, reserved, broadcast
  /^192\.0\.[02]\./,
  /^198\.1[89]\./,
  /^198\.51\.100\./,
  /^203\.0\.113\./,
  /^ff/i, // multicast
  /^2001:db8:/i,
  /^2001:0?db8:/i,
];

/** Whether an address is one of the open Internet. */
export function isPublic(host: string, groups: NetworkGroups): boolean {
  return groups.of(host) !== null && !NOWHERE.some((prefix) => prefix.test(host));
}

/**
 * Whether an address that a peer tells may be dialled.
 * @param told `host:port`
 * @param teller the host at which the peer itself is
 */
export function mayLearn(told: string, teller: string, groups: NetworkGroups): boolean {
  const parsed = parseIpPort(told);
  if (parsed === null) return false;
  return isPublic(parsed.host, groups) || (!isPublic(teller, groups) && !isUnspecified(parsed.host));
}

function isUnspecified(host: string): boolean {
  return host === '::' || host.startsWith('0.') || NOWHERE.some((prefix) => prefix.test(host));
}

/**
 * The network group of an address: what one operator easily has many addresses of.
 *
 * Rules: routing.md, Anti-monopoly (IPv4 /16, IPv6 /32, or the operator's ASN map). Addresses that nobody can own
 * from outside (loopback, private, link-local, names) have no group: those who use them are told apart by their ids.
 */
/** A prefix that the operator gives a group of its own, whatever the usual group would be. */
export interface MappedPrefix {
  /** `203.0.113.0/24` or `2001:db8::/32`. */
  readonly prefix: string;
  /** The name of the group, such as `AS64500`. */
  readonly group: string;
}

interface Mapped {
  readonly bits: string;
  readonly group: string;
}

/** Addresses of these prefixes have no group: bits of the family and the prefix. */
const UNOWNED: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::/96',
  'fc00::/7',
  'fe80::/10',
].map((prefix) => prefixBits(prefix) ?? '');

export class NetworkGroups {
  /** Longest first, so that the first that fits is the most exact. */
  readonly #mapped: readonly Mapped[];

  /** @param mapped the operator's ASN map; prefixes that are none are left out */
  constructor(mapped: readonly MappedPrefix[] = []) {
    this.#mapped = mapped
      .flatMap(({ prefix, group }) => {
        const bits = prefixBits(prefix);
        return bits === null ? [] : [{ bits, group }];
      })
      .sort((a, b) => b.bits.length - a.bits.length);
  }

  /**
   * The group of an address, or null where it has none.
   * @param address `host:port`, an IPv6 host in brackets, or the host alone; behind a scheme or not
   */
  of(address: string): string | null {
    const bits = addressBits(hostOf(address));
    if (bits === null) return null;
    const mapped = this.#mapped.find((entry) => bits.startsWith(entry.bits));
    if (mapped !== undefined) return mapped.group;
    if (UNOWNED.some((prefix) => bits.startsWith(prefix))) return null;
    const [family, length] = bits.startsWith('4') ? ['4', 16] : ['6', 32];
    return `${family}/${Number.parseInt(bits.slice(1, 1 + length), 2).toString(16)}`;
  }
}

/** Whether a text is a prefix that an ASN map can name. */
export function isPrefix(text: string): boolean {
  return prefixBits(text) !== null;
}

function hostOf(written: string): string {
  const address = written.replace(/^[a-z]+:\/\//, '');
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(address);
  if (bracketed !== null) return bracketed[1] ?? '';
  const isIpv6 = address.split(':').length > 2;
  return isIpv6 ? address : address.replace(/:\d+$/, '');
}

/** The family and the first bits of an address, or null where the text is no prefix. */
function prefixBits(text: string): string | null {
  const [host = '', digits = '', ...rest] = text.split('/');
  const bits = rest.length === 0 && /^\d{1,3}$/.test(digits) ? addressBits(host) : null;
  const length = Number(digits);
  return bits === null || length >= bits.length ? null : bits.slice(0, 1 + length);
}

/** `4` and 32 bits, or `6` and 128, as text; an IPv4 address mapped into IPv6 is IPv4. Null for anything else. */
function addressBits(host: string): string | null {
  const ipv4 = ipv4Bits(host);
  if (ipv4 !== null) return `4${ipv4}`;
  // A zone names an interface of this machine, not of the network.
  const [plain = ''] = host.split('%');
  const [head = '', tail, ...more] = withoutDots(plain).split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  if (before === null || after === null || more.length > 0) return null;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const all = [...before, ...new Array<number>(missing).fill(0), ...after].map(bits(16)).join('');
  const mapped = `${'0'.repeat(80)}${'1'.repeat(16)}`;
  return all.startsWith(mapped) ? `4${all.slice(mapped.length)}` : `6${all}`;
}

function ipv4Bits(host: string): string | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host);
  if (parts === null) return null;
  let address = 0;
  for (let i = 1; i <= 4; i++) {
    const octet = Number(parts[i]);
    if (octet > 255) return null;
    address = 256 * address + octet;
  }
  return bits(32)(address);
}

function groupsOf(text: string): readonly number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  return groups.every((group) => /^[\da-f]{1,4}$/i.test(group))
    ? groups.map((digits) => Number.parseInt(digits, 16))
    : null;
}

/** An IPv4 address at the end of an IPv6 one, written as two groups. */
function withoutDots(host: string): string {
  const at = host.lastIndexOf(':') + 1;
  const ipv4 = ipv4Bits(host.slice(at));
  if (ipv4 === null) return host;
  const pair = (from: number): string => Number.parseInt(ipv4.slice(from, from + 16), 2).toString(16);
  return `${host.slice(0, at)}${pair(0)}:${pair(16)}`;
}

function bits(width: number): (value: number) => string {
  return (value) => value.toString(2).padStart(width, '0');
}

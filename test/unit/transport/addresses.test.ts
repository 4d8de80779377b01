// Which addresses may be learned from whom. Rules: docs/transport.md, Addresses.
import { describe, expect, it } from 'vitest';
import { NetworkGroups } from '../../../src/routing/network-group.js';
import {
  hostAndPort,
  hostPortText,
  mayLearn,
  parseIpPort,
  plainHost,
} from '../../../src/transport/addresses.js';

const groups = new NetworkGroups();

describe('addresses', () => {
  it.each([
    ['1.2.3.4:8334', { host: '1.2.3.4', port: 8_334 }],
    ['[2a00::1]:1', { host: '2a00::1', port: 1 }],
    ['[::ffff:1.2.3.4]:9', { host: '1.2.3.4', port: 9 }],
  ])('%s is read and written back', (text, parsed) => {
    expect(parseIpPort(text)).toEqual(parsed);
    expect(hostAndPort(hostPortText(parsed.host, parsed.port))).toEqual(parsed);
  });

  it.each([
    '',
    'host:80',
    '1.2.3.4',
    '1.2.3.4:0',
    '1.2.3.4:65536',
    '1.2.3.400:1',
    '2a00::1:80',
    '[fe80::1%eth0]:1',
    '[::1]',
    ' 1.2.3.4:1',
  ])('%s from a peer is no address', (text) => {
    expect(parseIpPort(text)).toBeNull();
  });

  it('names IPv4 peers of a dual-stack socket as IPv4', () => {
    expect(plainHost('::ffff:1.2.3.4')).toBe('1.2.3.4');
    expect(hostPortText('::ffff:1.2.3.4', 5)).toBe('1.2.3.4:5');
    expect(hostPortText('2a00::1', 5)).toBe('[2a00::1]:5');
  });

  const NOT_PUBLIC = [
    '10.1.2.3:1',
    '127.0.0.1:1',
    '192.168.0.1:1',
    '172.16.0.1:1',
    '169.254.1.1:1',
    '100.64.0.1:1',
    '0.0.0.0:1',
    '224.0.0.1:1',
    '255.255.255.255:1',
    '203.0.113.1:1',
    '[::1]:1',
    '[fc00::1]:1',
    '[fe80::1]:1',
    '[ff02::1]:1',
    '[::]:1',
    '[::ffff:10.0.0.1]:1',
    '[2001:db8::1]:1',
  ];

  it.each(NOT_PUBLIC)('%s is not learned from a public peer', (address) => {
    expect(mayLearn(address, '8.8.8.8', groups)).toBe(false);
    expect(mayLearn(address, '2a00::1', groups)).toBe(false);
  });

  it('public ones are learned from anybody, private ones among neighbours of one private network', () => {
    expect(mayLearn('9.9.9.9:1', '8.8.8.8', groups)).toBe(true);
    expect(mayLearn('[2a00::1]:1', '127.0.0.1', groups)).toBe(true);
    expect(mayLearn('10.0.0.2:1', '10.0.0.3', groups)).toBe(true);
    expect(mayLearn('127.0.0.1:1', '127.0.0.1', groups)).toBe(true);
    expect(mayLearn('0.0.0.0:1', '127.0.0.1', groups)).toBe(false);
    expect(mayLearn('224.0.0.1:1', '10.0.0.1', groups)).toBe(false);
  });
});

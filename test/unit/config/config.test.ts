// The configuration: defaults, both forms of a key, environment on top, and messages that point at the fault.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgePolicyOf, loadConfig, parseConfig, type LoadedConfig } from '../../../src/config/config.js';
import { MeshError } from '../../../src/core/errors.js';
import { nodeIdOf } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';

/** The generator of secp256k1, and twice it: points of the curve. */
const KEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const OTHER_KEY = '02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5';
const NODE = 'ab'.repeat(32);

function parsed(text: string, env: NodeJS.ProcessEnv = {}): LoadedConfig {
  return parseConfig({ text, fileName: 'config.toml', env });
}

function refusal(text: string, env: NodeJS.ProcessEnv = {}): MeshError {
  try {
    parsed(text, env);
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError);
    return error as MeshError;
  }
  throw new Error('the configuration was accepted');
}

describe('config', () => {
  it('has the defaults of the documents', () => {
    const { config, warnings } = parsed('');
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      enabled: true,
      mode: 'payment_gated',
      network: 'mainnet',
      listenAddr: { host: '0.0.0.0', port: 8334 },
      peers: [],
      routeExpirySeconds: 3_600,
      packetTtlSeconds: 60,
      nodeRequestsPerSecond: 80,
      fees: { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 0n },
    });
    expect(config.workers).toBeGreaterThanOrEqual(1);
  });

  it('is frozen in depth', () => {
    const { config } = parsed(`payees = ["${NODE}=${KEY}"]`);
    for (const part of [
      config,
      config.fees,
      config.peers,
      config.payees,
      config.payees[0],
      config.listenAddr,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('takes flat keys and keys in [mesh] alike', () => {
    const flat = parsed('mode = "open"\nworkers = 3\nfees.base_msats = 7').config;
    const inTable = parsed('[mesh]\nmode = "open"\nworkers = 3\n[mesh.fees]\nbase_msats = 7').config;
    expect(flat).toEqual(inTable);
    expect(flat.fees.baseMsat).toBe(7n);
  });

  it('takes a key in both forms where the values agree and refuses it where they differ', () => {
    expect(parsed('workers = 2\n[mesh]\nworkers = 2').config.workers).toBe(2);
    const error = refusal('workers = 2\n[mesh]\nworkers = 3');
    expect(error.message).toContain('config.toml:3:11: workers = 3');
    expect(error.message).toContain('config.toml:1:11 says 2');
  });

  it('lets the environment count more than the file', () => {
    const { config } = parsed('workers = 2\n[mesh]\nmode = "open"', {
      MODULE_CONFIG_WORKERS: '5',
      MODULE_CONFIG_ENABLED: 'false',
      MODULE_CONFIG_PEERS: 'a.example:1, [::1]:2 ,',
      MODULE_CONFIG_FEES_PER_HOP_MSATS: '12',
      MODULE_CONFIG_PAYEES: `${NODE}=${KEY}`,
      MODULE_CONFIG_LISTEN_ADDR: '',
      MODULE_NAME: 'blvm-mesh',
    });
    expect(config).toMatchObject({ workers: 5, enabled: false, mode: 'open', listenAddr: null });
    expect(config.peers).toEqual(['a.example:1', '[::1]:2']);
    expect(config.fees.perHopMsat).toBe(12n);
    expect(config.payees).toEqual([[NODE, KEY]]);
  });

  it('takes payees as a list and as a table', () => {
    expect(parsed(`[payees]\n${NODE} = "${KEY.toUpperCase()}"`).config.payees).toEqual([[NODE, KEY]]);
    expect(parsed(`payees = ["${NODE} = ${KEY}"]`).config.payees).toEqual([[NODE, KEY]]);
  });

  it('takes any invoice of an accepted payee unless told to be strict', () => {
    expect(parsed('').config.binding).toBe('payee');
    const { config } = parsed('binding = "strict"');
    const node = { self: nodeIdOf(new Uint8Array(32)), ownPayee: null, paymentsSince: 0 };
    expect(judgePolicyOf(config, node).binding).toBe('strict');
  });

  it('accepts no covenants, and one confirmation, unless told otherwise', () => {
    expect(parsed('').config).toMatchObject({ ctv: false, receiveScripts: [], minConfirmations: 1 });
    const { config } = parsed(
      'ctv = true\nreceive_scripts = ["00aF", "51", "00AF"]\nmin_confirmations = 1000',
    );
    expect(config).toMatchObject({ ctv: true, receiveScripts: ['00af', '51'], minConfirmations: 1_000 });
    const node = { self: nodeIdOf(new Uint8Array(32)), ownPayee: null, paymentsSince: 7 };
    expect(judgePolicyOf(config, node)).toMatchObject({
      ctv: true,
      receiveScripts: ['00af', '51'],
      minConfirmations: 1_000,
      paymentsSince: 7,
    });
  });

  it.each([
    'ctv = 1',
    'receive_scripts = ["0"]',
    'receive_scripts = [""]',
    'receive_scripts = ["0x51"]',
    `receive_scripts = ["${'51'.repeat(201)}"]`,
    'min_confirmations = 0',
    'min_confirmations = 1001',
  ])('refuses %s', (text) => {
    expect(refusal(text).code).toBe('CONFIG_INVALID');
  });

  it('drops repeated items of a list', () => {
    expect(parsed(`accepted_payees = ["${KEY}", "${OTHER_KEY}", "${KEY}"]`).config.acceptedPayees).toEqual([
      KEY,
      OTHER_KEY,
    ]);
  });

  it('warns of an unknown key, with its place and the name that was meant', () => {
    expect(parsed('\n[mesh]\nmoed = "open"\n').warnings).toEqual([
      'config.toml:3:8: unknown key "moed" is ignored; did you mean mode?',
    ]);
    expect(parsed('completely_different = 1').warnings).toEqual([
      'config.toml:1:24: unknown key "completely_different" is ignored',
    ]);
    expect(parsed('', { MODULE_CONFIG_WORKRES: '1' }).warnings).toEqual([
      'environment MODULE_CONFIG_WORKRES: unknown key "MODULE_CONFIG_WORKRES" is ignored; did you mean MODULE_CONFIG_WORKERS?',
    ]);
  });

  it('passes over what the node says of itself in variables of the same prefix', () => {
    const env = {
      MODULE_CONFIG_VERSION: '0.1.0',
      MODULE_CONFIG_NODE_P2P_LISTEN_PORT: '8333',
      MODULE_CONFIG_DATABASE_BACKEND: 'redb',
      MODULE_CONFIG_NODE_REQUESTS_PER_SECOND: '70',
    };
    const { config, warnings } = parsed('', env);
    expect(config.nodeRequestsPerSecond).toBe(70);
    expect(warnings).toEqual([]);
  });

  it('spells out a bounded number of warnings', () => {
    const text = Array.from({ length: 1_000 }, (_, index) => `unknown${index} = 1`).join('\n');
    expect(parsed(text).warnings).toHaveLength(LIMITS.CONFIG_WARNINGS + 1);
  });

  it.each<[string, string, string, number, number]>([
    ['a number above its range', 'enabled = true\n\nworkers = 65 # many', 'workers', 3, 11],
    ['a number below its range', 'workers = 0', 'workers', 1, 11],
    ['a float for a whole number', 'max_peers = 1.0', 'max_peers', 1, 13],
    ['a text for a number', 'max_peers = "1"', 'max_peers', 1, 13],
    ['a number for a bool', '[mesh]\nenabled = 1', 'enabled', 2, 11],
    ['an unknown mode', '[mesh]\n  mode = "free"', 'mode', 2, 10],
    ['more payments than a table can hold', 'replay_capacity = 16_000_001', 'replay_capacity', 1, 19],
    ['an address without a port', 'listen_addr = "0.0.0.0"', 'listen_addr', 1, 15],
    ['a port above 65535', 'listen_addr = "0.0.0.0:65536"', 'listen_addr', 1, 15],
    ['an IPv6 address without brackets', 'listen_addr = "::1:8334"', 'listen_addr', 1, 15],
    ['a broken IPv4 address', 'listen_addr = "1.2.3.400:8334"', 'listen_addr', 1, 15],
    ['an item of a list over lines', 'peers = [\n  "a:1", # one\n  "b",\n]', 'peers', 3, 3],
    ['a list that is none', 'peers = "a:1"', 'peers', 1, 9],
    ['a key that is no point of the curve', `own_payee = "02${'00'.repeat(32)}"`, 'own_payee', 1, 13],
    ['an uncompressed prefix', `own_payee = "04${KEY.slice(2)}"`, 'own_payee', 1, 13],
    ['an inline table', 'fees = { base_msats = 1, per_hop_msats = -1 }', 'fees.per_hop_msats', 1, 42],
    ['a dotted key', 'mesh.fees.base_msats = -1', 'fees.base_msats', 1, 24],
    ['a quoted key', '"fees"."base_msats" = true', 'fees.base_msats', 1, 23],
    ['a value behind long strings', 'x = """\n[mesh]\nmode = 1\n"""\nmode = 2', 'mode', 5, 8],
    ['a payee twice', `payees = ["${NODE}=${KEY}", "${NODE}=${OTHER_KEY}"]`, 'payees', 1, 146],
    ['a payee without a node', `[payees]\n${NODE} = "${KEY}"\nx = "${KEY}"`, 'payees', 3, 5],
    ['a table that is none', 'fees = 5', 'fees', 1, 8],
    ['the module table that is none', 'mesh = []', 'mesh', 1, 8],
    [
      'a control character in a protocol id',
      'governance_protocols = ["a\\nb"]',
      'governance_protocols',
      1,
      25,
    ],
  ])('refuses %s and says where', (_, text, key, line, column) => {
    const error = refusal(text);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.facts).toMatchObject({ file: 'config.toml', key, line, column });
    expect(error.message).toContain(`config.toml:${line}:${column}: ${key} = `);
    expect(error.message).toContain('Allowed: ');
  });

  it('refuses a value of the environment and names the variable', () => {
    const error = refusal('', { MODULE_CONFIG_WORKERS: 'many' });
    expect(error.facts).toMatchObject({
      environment: 'MODULE_CONFIG_WORKERS',
      key: 'workers',
      value: '"many"',
    });
  });

  it('refuses text that is no TOML, with line and column', () => {
    const error = refusal('[mesh]\nmode = \n');
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.facts).toMatchObject({ line: 2 });
    expect(error.message).toMatch(/^config\.toml:2:\d+: not valid TOML: /);
  });

  it('treats names of the language like any other unknown key', () => {
    const { config, warnings } = parsed('__proto__ = 1\nconstructor.prototype.enabled = false\ntoString = 2');
    expect(warnings).toHaveLength(3);
    expect(config.enabled).toBe(true);
    expect(Object.hasOwn(Object.prototype, 'enabled')).toBe(false);
  });

  it('makes the policy of the workers, where the configured key counts more than the told one', () => {
    const self = nodeIdOf(new Uint8Array(32).fill(0xab));
    const { config } = parsed(`accepted_payees = ["${KEY}"]`);
    const node = { self, ownPayee: OTHER_KEY, paymentsSince: 0 };
    expect(judgePolicyOf(config, node)).toMatchObject({
      self: NODE,
      ownPayee: OTHER_KEY,
      acceptedPayees: [KEY],
    });
    const configured = parsed(`own_payee = "${KEY}"`).config;
    expect(judgePolicyOf(configured, node).ownPayee).toBe(KEY);
  });
});

describe('config files', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-config-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function written(name: string, content: string | Uint8Array): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  it('joins the peers of a peer list beside the file', async () => {
    written('peers.txt', '# ours\na:1\r\n\n  b:2  # theirs\n[::1]:3\na:1\n');
    const file = written('with-list.toml', 'peers = ["z:9", "b:2"]\npeer_list = "peers.txt"');
    const { config } = await loadConfig({ file, env: {} });
    expect(config.peers).toEqual(['z:9', 'b:2', 'a:1', '[::1]:3']);
  });

  it('refuses a bad line of a peer list and says where', async () => {
    const list = written('bad-peers.txt', 'a:1\n  nonsense\n');
    const loading = loadConfig({ env: { MODULE_CONFIG_PEER_LIST: list } });
    await expect(loading).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      facts: { file: list, line: 2, column: 3, value: '"nonsense"' },
    });
  });

  it('takes an absent file for an empty one only where it may be absent', async () => {
    const file = join(folder, 'absent.toml');
    expect((await loadConfig({ file, mayBeAbsent: true, env: {} })).config.mode).toBe('payment_gated');
    await expect(loadConfig({ file, env: {} })).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' });
  });

  it.each([
    ['a folder', (): string => folder, 'CONFIG_UNREADABLE'],
    [
      'a large file',
      (): string => written('large.toml', '#'.repeat(LIMITS.CONFIG_FILE_BYTES + 1)),
      'CONFIG_INVALID',
    ],
    [
      'bytes that are no text',
      (): string => written('bytes.toml', Uint8Array.of(0x61, 0xff)),
      'CONFIG_INVALID',
    ],
  ])('refuses %s', async (_, path, code) => {
    await expect(loadConfig({ file: path(), env: {} })).rejects.toMatchObject({ code });
  });
});

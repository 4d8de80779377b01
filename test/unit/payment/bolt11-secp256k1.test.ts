// Which secp256k1 judges signatures: chosen knowingly, never in silence (issue of strict BOLT11; architecture.md,
// measured on this class of machine).
import { createECDH } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/core/errors.js';
import {
  chooseSecp256k1,
  NATIVE,
  secp256k1,
  tellSecp256k1,
  WEB_ASSEMBLY,
  type Secp256k1Source,
} from '../../../src/payment/bolt11/secp256k1.js';
import type { Secp256k1 } from '../../../src/payment/bolt11/signature.js';
import { testLog } from '../../support/log.js';

const broken: Secp256k1Source = {
  name: 'broken',
  load: () => Promise.reject(new Error('No native build was found\nloaded from: here')),
};

const REFUSING: Secp256k1 = { isPublicKey: () => false, recover: () => null, verify: () => false };

const forging = async (changes: Partial<Secp256k1>): Promise<Secp256k1Source> => {
  const honest = await NATIVE.load();
  return { name: 'forging', load: () => Promise.resolve({ ...honest, ...changes }) };
};

describe('secp256k1, chosen', () => {
  it('is the native one on this machine, with nothing passed over', () => {
    expect(secp256k1).toMatchObject({ name: NATIVE.name, passedOver: [] });
  });

  it('is WebAssembly where the native one does not load, and says why', async () => {
    const chosen = await chooseSecp256k1([broken, WEB_ASSEMBLY]);
    expect(chosen).toMatchObject({
      name: WEB_ASSEMBLY.name,
      passedOver: ['broken: No native build was found'],
    });
  });

  it.each<[string, Partial<Secp256k1>]>([
    ['refuses everything', REFUSING],
    ['recovers another key', { recover: () => new Uint8Array(33).fill(2) }],
    ['verifies anything', { verify: () => true }],
    ['takes no key', { isPublicKey: () => false }],
  ])('is never one that %s', async (_what, changes) => {
    const chosen = await chooseSecp256k1([await forging(changes), NATIVE]);
    expect(chosen).toMatchObject({ name: NATIVE.name, passedOver: ['forging: it gives wrong answers'] });
  });

  it('is none where none works: an error that says what to do', async () => {
    const failing = chooseSecp256k1([broken, { name: 'refusing', load: () => Promise.resolve(REFUSING) }]);
    await expect(failing).rejects.toThrow(MeshError);
    await expect(failing).rejects.toMatchObject({
      code: 'CURVE_MISSING',
      facts: { tried: 'broken: No native build was found; refusing: it gives wrong answers' },
    });
  });
});

describe('secp256k1, told', () => {
  it('is a line in the log, and a warning where it is not the fastest', () => {
    const log = testLog();
    tellSecp256k1(log);
    tellSecp256k1(log, { ...secp256k1, name: WEB_ASSEMBLY.name, passedOver: ['native: gone'] });
    expect(log.lines.map(({ level }) => level)).toEqual(['info', 'warn']);
  });
});

describe.each([NATIVE, WEB_ASSEMBLY])('secp256k1, $name', ({ load }) => {
  const pair = createECDH('secp256k1');
  pair.setPrivateKey(new Uint8Array(32).fill(3));
  const key = new Uint8Array(pair.getPublicKey(null, 'compressed'));

  it('knows the points of the curve in compressed form, and nothing else', async () => {
    const curve = await load();
    expect(curve.isPublicKey(key)).toBe(true);
    // 5 is no x of the curve; a key begins with 2 or 3; an x is below the prime.
    expect(curve.isPublicKey(Uint8Array.of(2, ...new Uint8Array(31), 5))).toBe(false);
    expect(curve.isPublicKey(Uint8Array.of(4, ...key.subarray(1)))).toBe(false);
    expect(curve.isPublicKey(Uint8Array.of(2, ...new Uint8Array(32).fill(0xff)))).toBe(false);
    expect(curve.isPublicKey(new Uint8Array(33))).toBe(false);
  });

  it('answers signatures that belong to nothing without an exception', async () => {
    const curve = await load();
    const digest = new Uint8Array(32).fill(1);
    let none = 0;
    for (let i = 1; i <= 32; i++) {
      const signature = new Uint8Array(64);
      signature[31] = i;
      signature[63] = 1;
      expect(curve.verify(digest, signature, key)).toBe(false);
      for (const recoveryId of [0, 1, 2, 3])
        if (curve.recover(digest, signature, recoveryId) === null) none++;
    }
    expect(none).toBeGreaterThan(32);
    expect(none).toBeLessThan(128);
  });
});

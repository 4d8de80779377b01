// The signed hello holds for one connection, one speaker, one listener. Rules: docs/transport.md, Hello.
import { describe, expect, it } from 'vitest';
import { Reason } from '../../../src/core/reasons.js';
import { LIMITS } from '../../../src/core/limits.js';
import { helloPacket, signedHelloPacket } from '../../../src/packet/control.js';
import { encodePacket } from '../../../src/packet/packet.js';
import {
  decodeHelloBody,
  decodeSignedHello,
  encodeHelloBody,
  encodeSignedHello,
  type HelloBody,
} from '../../../src/packet/signed-hello.js';
import { checkHello, readHelloFrame, sayHello, type HelloScope } from '../../../src/transport/greeting.js';
import { identity } from '../../support/identities.js';
import { DECLARATION } from '../../support/transports.js';

const [speaker, audience, stranger] = [identity(1), identity(2), identity(3)];
const SCOPE: HelloScope = {
  kind: 'tls-exporter',
  binding: new Uint8Array(32).fill(5),
  speaker: speaker.nodeId,
  audience: audience.nodeId,
};
const BODY: HelloBody = {
  ...DECLARATION,
  network: 'regtest',
  nodeId: speaker.nodeId,
  payees: [new Uint8Array(33).fill(2)],
  family: [stranger.nodeId],
  addresses: ['203.0.113.7:8334', '[2001:db8::1]:8334'],
  known: [{ nodeId: stranger.nodeId, address: '198.51.100.1:8334' }],
};
const HEADER = { self: speaker.nodeId, sequence: 1n, nowSeconds: 1_800_000_000 };

function said(body = BODY, scope = SCOPE, by = speaker): ReturnType<typeof sayHello> {
  return sayHello(body, scope, by.privateKey);
}

function reasonOf(message = said(), scope = SCOPE, network = 'regtest'): Reason {
  if (message.kind !== 'Hello') throw new Error('a hello');
  const verdict = checkHello(message, scope, network);
  return verdict.ok ? Reason.Accepted : verdict.reason;
}

describe('signed hello', () => {
  it('holds where it was said, and says what was declared', () => {
    const frame = encodePacket(signedHelloPacket(HEADER, audience.nodeId, said()));
    expect(readHelloFrame(frame, SCOPE, 'regtest')).toEqual({ ok: true, body: BODY });
  });

  it('does not hold on another connection, for another listener, or as the answer to a challenge', () => {
    expect(reasonOf(said(), { ...SCOPE, binding: new Uint8Array(32).fill(6) })).toBe(Reason.HelloSignature);
    expect(reasonOf(said(), { ...SCOPE, audience: stranger.nodeId })).toBe(Reason.HelloSignature);
    expect(reasonOf(said(), { ...SCOPE, kind: 'relay-nonce' })).toBe(Reason.HelloSignature);
  });

  it('does not hold for another node than the one of the connection', () => {
    expect(reasonOf(said(), { ...SCOPE, speaker: stranger.nodeId })).toBe(Reason.HelloMismatch);
    expect(reasonOf(said({ ...BODY, nodeId: stranger.nodeId }))).toBe(Reason.HelloMismatch);
    // A stolen id without its key.
    expect(reasonOf(said(BODY, SCOPE, stranger))).toBe(Reason.HelloSignature);
  });

  it('does not hold where a byte of it was changed', () => {
    const payload = encodeSignedHello(said());
    for (let at = 0; at < payload.length; at++) {
      const changed = payload.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const message = decodeSignedHello(changed);
      if (message?.kind === 'Hello') expect(reasonOf(message)).not.toBe(Reason.Accepted);
    }
  });

  it('of another network or an unknown version is refused, but only where it is genuine', () => {
    expect(reasonOf(said(), SCOPE, 'mainnet')).toBe(Reason.HelloOtherNetwork);
    expect(reasonOf(said({ ...BODY, leastVersion: 2, mostVersion: 9 }))).toBe(Reason.HelloNoCommonVersion);
    expect(reasonOf(said({ ...BODY, leastVersion: 0, mostVersion: 1 }))).toBe(Reason.Accepted);
    expect(reasonOf(said(BODY, SCOPE, stranger), SCOPE, 'mainnet')).toBe(Reason.HelloSignature);
  });

  it('is refused in any truncation, and with bytes left over', () => {
    const payload = encodeSignedHello(said());
    for (let length = 0; length < payload.length; length++) {
      expect(decodeSignedHello(payload.subarray(0, length))).toBeNull();
    }
    expect(decodeSignedHello(Uint8Array.of(...payload, 0))).toBeNull();
    const body = encodeHelloBody(BODY);
    for (let length = 0; length < body.length; length++) {
      expect(decodeHelloBody(body.subarray(0, length))).toBeNull();
    }
  });

  it('has bounded lists', () => {
    const tooMany = <T>(most: number, item: T): readonly T[] => Array.from({ length: most + 1 }, () => item);
    const [payee] = BODY.payees;
    const [known] = BODY.known;
    if (payee === undefined || known === undefined) throw new Error('a full body');
    const bodies: readonly Partial<HelloBody>[] = [
      { payees: tooMany(LIMITS.HELLO_PAYEES, payee) },
      { family: tooMany(LIMITS.FAMILY_MEMBERS, stranger.nodeId) },
      { addresses: tooMany(LIMITS.HELLO_ADDRESSES, '1.2.3.4:1') },
      { known: tooMany(LIMITS.HELLO_KNOWN, known) },
      { addresses: ['a'.repeat(LIMITS.HELLO_ADDRESS_CHARS + 1)] },
    ];
    for (const changes of bodies) expect(reasonOf(said({ ...BODY, ...changes }))).toBe(Reason.HelloMismatch);
  });

  it('is not replaced by an unsigned one, a challenge, or anything else', () => {
    const { nodeId } = audience;
    const frames = [
      encodePacket(helloPacket(HEADER, nodeId)),
      encodePacket(signedHelloPacket(HEADER, nodeId, { kind: 'Challenge', nonce: new Uint8Array(32) })),
      new Uint8Array(100),
    ];
    for (const frame of frames) {
      expect(readHelloFrame(frame, SCOPE, 'regtest')).toEqual({ ok: false, reason: Reason.HelloMissing });
    }
    const foreign = encodePacket(signedHelloPacket({ ...HEADER, self: stranger.nodeId }, nodeId, said()));
    expect(readHelloFrame(foreign, SCOPE, 'regtest')).toEqual({ ok: false, reason: Reason.HelloMismatch });
  });
});

/**
 * Saying and checking the signed hello (docs/transport.md, Hello): on a connection of the direct transport, and over the
 * node's relay as the answer to a challenge.
 */
import type { KeyObject } from 'node:crypto';
import { equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { Reason } from '../core/reasons.js';
import { SIGNED_HELLO_PROTOCOL } from '../packet/control.js';
import { viewPacket } from '../packet/packet.js';
import {
  decodeHelloBody,
  decodeSignedHello,
  encodeHelloBody,
  hasCommonVersion,
  helloStatement,
  type HelloBinding,
  type HelloBody,
  type SignedHello,
} from '../packet/signed-hello.js';
import { isSignedBy, signed } from './keys.js';

/** To what one hello is bound. */
export interface HelloScope {
  readonly kind: HelloBinding;
  /** 32 bytes. */
  readonly binding: Uint8Array;
  /** Who says it. */
  readonly speaker: NodeId;
  /** To whom. */
  readonly audience: NodeId;
}

export type HelloVerdict =
  { readonly ok: true; readonly body: HelloBody } | { readonly ok: false; readonly reason: Reason };

/** Bodies that were said: many peers are told the same one. */
const encodedBodies = new WeakMap<HelloBody, Uint8Array>();

function encodedBody(body: HelloBody): Uint8Array {
  const known = encodedBodies.get(body);
  if (known !== undefined) return known;
  const encoded = encodeHelloBody(body);
  encodedBodies.set(body, encoded);
  return encoded;
}

/** The message that this node says hello with. */
export function sayHello(body: HelloBody, scope: HelloScope, privateKey: KeyObject): SignedHello {
  const encoded = encodedBody(body);
  const statement = helloStatement(scope.kind, scope.binding, scope.audience, encoded);
  return { kind: 'Hello', body: encoded, signature: signed(statement, privateKey) };
}

/**
 * Checks a hello, cheapest first.
 * @param network this node's own
 */
export function checkHello(
  message: Extract<SignedHello, { readonly kind: 'Hello' }>,
  scope: HelloScope,
  network: string,
): HelloVerdict {
  const body = decodeHelloBody(message.body);
  if (body === null) return refuse(Reason.HelloMismatch);
  if (!equalBytes(body.nodeId, scope.speaker)) return refuse(Reason.HelloMismatch);
  const statement = helloStatement(scope.kind, scope.binding, scope.audience, message.body);
  if (!isSignedBy(scope.speaker, statement, message.signature)) return refuse(Reason.HelloSignature);
  // Only now is it the peer's own word.
  if (body.network !== network) return refuse(Reason.HelloOtherNetwork);
  return hasCommonVersion(body) ? { ok: true, body } : refuse(Reason.HelloNoCommonVersion);
}

/** The hello in the first frame of a connection. */
export function readHelloFrame(frame: Uint8Array, scope: HelloScope, network: string): HelloVerdict {
  const decoded = viewPacket(frame);
  if (!decoded.ok) return refuse(Reason.HelloMissing);
  const { packet } = decoded.value;
  if (packet.metadata?.protocol !== SIGNED_HELLO_PROTOCOL) return refuse(Reason.HelloMissing);
  const isTheirs = equalBytes(packet.source, scope.speaker) && equalBytes(packet.destination, scope.audience);
  if (!isTheirs) return refuse(Reason.HelloMismatch);
  const message = decodeSignedHello(packet.payload);
  return message?.kind === 'Hello' ? checkHello(message, scope, network) : refuse(Reason.HelloMissing);
}

function refuse(reason: Reason): HelloVerdict {
  return { ok: false, reason };
}

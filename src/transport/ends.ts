/** What the end of a connection says of the peer. */
import { Reason } from '../core/reasons.js';

/** What an honest node never does, whatever its operator configured. */
export const STRIKES: ReadonlySet<Reason> = new Set([
  Reason.FrameEmpty,
  Reason.FrameTooLarge,
  Reason.CertificateForeign,
  Reason.HelloSignature,
  Reason.HelloMismatch,
  Reason.HelloMissing,
]);

/** Ends that say nothing of anybody. */
export const ORDINARY: ReadonlySet<Reason> = new Set([Reason.ConnectionLost, Reason.DuplicateConnection]);

/**
 * Invocations: what the node asks of this module, answered under the same correlation id.
 *
 * Rules: node-ipc.md, 7 and 9. While one is answered the node may hold its one lock, so a handler must never wait
 * for a request of its own to the node. A result of an Rpc invocation cannot be read by the node: only its
 * failure is ever sent. Every invocation is answered once, at the latest at its deadline. Main thread.
 */
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import type { Invocation, InvocationMessage, InvocationResultPayload, ModuleMessage } from './messages.js';

/** What a handler answers. The payload is of the invocation's own kind. */
export type InvocationOutcome =
  | { readonly success: true; readonly payload: InvocationResultPayload }
  | { readonly success: false; readonly error: string };

/** Answers one invocation. What it throws is answered as a failure. */
export type InvocationHandler = (invocation: Invocation) => InvocationOutcome | Promise<InvocationOutcome>;

export interface InvocationStats {
  /** Not answered yet. */
  readonly running: number;
  readonly answered: number;
  /** Answered with a failure by the handler, or because it threw. */
  readonly failed: number;
  /** Answered with a failure at once: nobody to ask, too many running, or not readable. */
  readonly turnedAway: number;
  readonly timedOut: number;
}

/** Longer error texts are cut: they come from whatever a handler threw. */
const ERROR_CHARS = 1_000;

export class InvocationDesk {
  readonly #clock: Clock;
  readonly #log: Log;
  #handler: InvocationHandler | null = null;
  #running = 0;
  #answered = 0;
  #failed = 0;
  #turnedAway = 0;
  #timedOut = 0;

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  get stats(): InvocationStats {
    return {
      running: this.#running,
      answered: this.#answered,
      failed: this.#failed,
      turnedAway: this.#turnedAway,
      timedOut: this.#timedOut,
    };
  }

  set handler(handler: InvocationHandler) {
    this.#handler = handler;
  }

  /** @param reply sends on the connection that the invocation came from, and on no other */
  onInvocation(message: InvocationMessage, reply: (result: ModuleMessage) => void): void {
    const { correlation_id: correlationId, invocation_type: invocation } = message;
    const handler = this.#handler;
    if (handler === null || this.#running >= LIMITS.INVOCATIONS_RUNNING) {
      this.#turnedAway++;
      const why =
        handler === null
          ? 'the module is not ready'
          : `${this.#running} invocations are running: ask again later`;
      reply(resultOf(correlationId, { success: false, error: why }));
      return;
    }
    this.#running++;
    let isAnswered = false;
    const answer = (outcome: InvocationOutcome): boolean => {
      if (isAnswered) return false;
      isAnswered = true;
      this.#running--;
      timer.cancel();
      reply(resultOf(correlationId, outcome));
      return true;
    };
    const timer = this.#clock.after(LIMITS.INVOCATION_MILLIS, () => {
      this.#timedOut++;
      answer({ success: false, error: `no answer within ${LIMITS.INVOCATION_MILLIS} ms` });
    });
    void this.#run(handler, invocation).then((outcome) => {
      if (!answer(outcome)) return;
      if (outcome.success) this.#answered++;
      else this.#failed++;
    });
  }

  /** An invocation whose content cannot be read: answered, so that the node's caller need not wait. */
  onUnreadable(correlationId: bigint, reply: (result: ModuleMessage) => void): void {
    this.#turnedAway++;
    reply(
      resultOf(correlationId, { success: false, error: 'this module does not serve JSON-RPC over the node' }),
    );
  }

  async #run(handler: InvocationHandler, invocation: Invocation): Promise<InvocationOutcome> {
    try {
      const outcome = await handler(invocation);
      if (!outcome.success || (outcome.payload.name === invocation.name && invocation.name !== 'Rpc'))
        return outcome;
      return {
        success: false,
        error: `an invocation of ${invocation.name} has no result ${outcome.payload.name}`,
      };
    } catch (error) {
      this.#log.log('error', 'an invocation failed', { kind: invocation.name, error: errorText(error) });
      return { success: false, error: errorText(error) };
    }
  }
}

/** The message that answers an invocation. */
export function resultOf(correlationId: bigint, outcome: InvocationOutcome): ModuleMessage {
  return {
    name: 'InvocationResult',
    value: {
      correlation_id: correlationId,
      success: outcome.success,
      payload: outcome.success ? outcome.payload : null,
      error: outcome.success ? null : outcome.error.slice(0, ERROR_CHARS),
    },
  };
}

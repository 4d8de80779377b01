/**
 * The node's Lightning module as this module asks it: for invoices that pay this node.
 *
 * Source: the published blvm-lightning module (module id `blvm-lightning`; `create_invoice` takes and gives JSON, with
 * amount_msats, description, expiry_seconds in, and invoice out). Main thread.
 */
import { utf8 } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { Params, recordOf } from '../core/params.js';
import type { NodeApi } from './node-api.js';

/** Its id on the node. */
export const LIGHTNING_MODULE = 'blvm-lightning';

export interface InvoiceOrder {
  readonly amountMsat: bigint;
  readonly description: string;
  readonly expirySeconds: number;
}

export class NodeLightning {
  readonly #node: Pick<NodeApi, 'isModuleAvailable' | 'callModule'>;

  constructor(node: Pick<NodeApi, 'isModuleAvailable' | 'callModule'>) {
    this.#node = node;
  }

  /** Whether the node runs one. A call of a module that is not there would cost the connection (node-ipc.md, 5). */
  isAvailable(): Promise<boolean> {
    return this.#node.isModuleAvailable(LIGHTNING_MODULE);
  }

  /**
   * Has an invoice made, as the module wrote it: whoever uses it reads it first.
   * @param order the amount is at most 2^53-1 msat, which JSON carries exactly
   * @throws MeshError as NodeApi's calls; WALLET_REFUSED where the answer holds no invoice
   */
  async createInvoice({ amountMsat, description, expirySeconds }: InvoiceOrder): Promise<string> {
    const order = { amount_msats: Number(amountMsat), description, expiry_seconds: expirySeconds };
    const answer = await this.#node.callModule(
      LIGHTNING_MODULE,
      'create_invoice',
      utf8(JSON.stringify(order)),
      LIMITS.NODE_REQUEST_MILLIS,
    );
    try {
      return new Params(recordOf(JSON.parse(Buffer.from(answer).toString('utf8')), 'an answer')).text(
        'invoice',
      );
    } catch (cause) {
      const text = `${LIGHTNING_MODULE} answered create_invoice with something that holds no invoice`;
      throw new MeshError('WALLET_REFUSED', text, {}, { cause });
    }
  }
}

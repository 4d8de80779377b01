/**
 * The node's Lightning module, inside the development node: how blvm-mesh gets an invoice on a node.
 *
 * Source: the published blvm-lightning module (module id `blvm-lightning`; JSON in, JSON out), of which this
 * serves create_invoice.
 */
import { utf8 } from '../core/bytes.js';
import { LIGHTNING_MODULE } from '../node/node-lightning.js';
import type { LocalModule } from './modules.js';
import type { DevWallet } from './wallet.js';

/** Serves { amount_msats, description?, expiry_seconds? } -> { invoice }. */
export function lightningModule(wallet: DevWallet): LocalModule {
  return {
    name: LIGHTNING_MODULE,
    version: '0.1.0',
    methods: ['create_invoice'],
    call: (_method, params) => {
      const request: unknown = JSON.parse(Buffer.from(params).toString('utf8'));
      const amount = field(request, 'amount_msats');
      if (typeof amount !== 'number' || !Number.isSafeInteger(amount))
        throw new Error('create_invoice requires amount_msats, a whole number');
      const description = field(request, 'description') ?? '';
      const expiry = field(request, 'expiry_seconds') ?? 3_600;
      if (typeof description !== 'string') throw new Error('description is a text');
      if (typeof expiry !== 'number') throw new Error('expiry_seconds is a number');
      const { invoice } = wallet.createInvoice({
        amountMsat: BigInt(amount),
        description,
        expirySeconds: expiry,
      });
      return utf8(JSON.stringify({ invoice }));
    },
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

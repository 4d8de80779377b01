/** The readers of the two kinds that are not of src/packet: messages of the node, and invoices. */
import { toHex } from '../../core/bytes.js';
import { ipcInspect } from '../../node/ipc-codec.js';
import { Bolt11Decoder } from '../../payment/bolt11-decoder.js';
import type { Invoice } from '../../payment/invoice.js';
import type { Json } from '../../core/codec.js';
import { refusal, type InspectTools } from './inspect.js';

/** @param nodeVersion decides the generation of ipc messages, as in HandshakeAck */
export function inspectTools(nodeVersion: string): InspectTools {
  const decoder = new Bolt11Decoder();
  return {
    ipc: (input) => {
      const decoded = ipcInspect(input, nodeVersion);
      if (!decoded.ok) {
        const { reason, detail, offset } = decoded.failure;
        return refusal(reason, `${detail} (at byte ${offset})`);
      }
      const { kind, value, hex } = decoded.value;
      return { ok: true, kind, value, hex };
    },
    invoice: (text) => {
      const verdict = decoder.decode(text);
      return verdict.ok
        ? { ok: true, value: invoiceJson(verdict.invoice) }
        : refusal(verdict.reason, verdict.detail);
    },
  };
}

/** The names and the text form of numbers are those of the invoice corpus. */
function invoiceJson(invoice: Invoice): Json {
  return {
    payment_hash: toHex(invoice.paymentHash),
    payee: invoice.payee,
    amount_msat: invoice.amountMsat === null ? null : String(invoice.amountMsat),
    timestamp: String(invoice.timestamp),
    expiry: String(invoice.expirySeconds),
    payment_secret: invoice.paymentSecret === null ? null : toHex(invoice.paymentSecret),
    description: invoice.description,
    description_hash: invoice.descriptionHash === null ? null : toHex(invoice.descriptionHash),
    network: invoice.network,
  };
}

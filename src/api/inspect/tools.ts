/** The readers of the kinds that are not of src/packet: messages of the node, invoices, and template hashes. */
import { fromHex, toHex } from '../../core/bytes.js';
import { Reason } from '../../core/reasons.js';
import { ipcInspect } from '../../node/ipc-codec.js';
import { Bolt11Decoder } from '../../payment/bolt11/decode.js';
import { bip119Hash } from '../../payment/ctv/template-hash.js';
import { readTransaction } from '../../payment/ctv/transaction.js';
import type { Invoice } from '../../payment/invoice.js';
import type { Json } from '../../core/codec.js';
import { refusal, type InspectResult, type InspectTools } from './inspect.js';

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
    ctv: inspectTemplate,
  };
}

const INDEX = /^(?:0|[1-9]\d{0,9})$/;
const MAX_INDEX = 0xffff_ffff;

/** `HEXTX:INDEX`: the BIP119 hash for that input, in hex. The index need not be one that the transaction has. */
function inspectTemplate(text: string): InspectResult {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return refusal(Reason.BadInputIndex, 'behind the transaction: a colon and an input index');
  const digits = text.slice(colon + 1);
  const index = INDEX.test(digits) ? Number(digits) : MAX_INDEX + 1;
  if (index > MAX_INDEX) return refusal(Reason.BadInputIndex);
  const bytes = fromHex(text.slice(0, colon));
  if (bytes === null) return refusal(Reason.NotHex);
  const decoded = readTransaction(bytes);
  if (decoded.ok) return { ok: true, value: toHex(bip119Hash(decoded.value, index)) };
  const { reason, detail, offset } = decoded.failure;
  return refusal(reason, `${detail} (at byte ${offset})`);
}

/** The names and the text form of numbers are those of the invoice corpus. */
function invoiceJson(invoice: Invoice): Json {
  return {
    payment_hash: toHex(invoice.paymentHash),
    payee: invoice.payee,
    amount_msat: invoice.amountMsat === null ? null : String(invoice.amountMsat),
    timestamp: String(invoice.timestamp),
    expiry: String(invoice.expirySeconds),
    payment_secret: toHex(invoice.paymentSecret),
    description: invoice.description,
    description_hash: invoice.descriptionHash === null ? null : toHex(invoice.descriptionHash),
    network: invoice.network,
  };
}

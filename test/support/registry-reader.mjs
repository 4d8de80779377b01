// A thread that looks for invoices while another registers them, and checks that it never finds one mixed of two.
// Runs from the built package, since worker threads read no TypeScript. Results: [found, mixed], words of 32 bits.
import { workerData } from 'node:worker_threads';

const { dist, memory, secret, names, stop, results } = workerData;
const { InvoiceRegistry } = await import(new URL('payment/registry.js', dist).href);
const { PlainFingerprinter } = await import(new URL('replay/fingerprint.js', dist).href);

const registry = InvoiceRegistry.attach(memory, new PlainFingerprinter(secret));

/** Everything of an invoice is made of its number. */
function isWhole(invoice, number) {
  const byte = number % 256;
  return (
    invoice.timestamp === number &&
    invoice.expirySeconds === number &&
    invoice.amountMsat === BigInt(number) &&
    invoice.paymentHash.every((one) => one === byte) &&
    invoice.descriptionHash.every((one) => one === byte)
  );
}

for (let number = 0; Atomics.load(stop, 0) === 0; number = (number + 7) % names) {
  const invoice = registry.find(`invoice ${number}`);
  if (invoice === null) continue;
  Atomics.add(results, 0, 1);
  if (!isWhole(invoice, number)) Atomics.add(results, 1, 1);
}

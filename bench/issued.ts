/**
 * Payments by invoices that this node issued, beside those by unknown ones: the whole verdict of one thread, as the
 * workers have it.
 *
 * Target: an issued invoice 20 times as fast as the signature path, or better.
 */
import { Bolt11Decoder } from '#dist/payment/bolt11/decode.js';
import { decodePacket, type MeshPacket } from '#dist/packet/packet.js';
import { InvoiceRegistry } from '#dist/payment/registry.js';
import { PaymentVerifier, type VerifierTools } from '#dist/payment/verifier.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { paidPackets, POLICY } from './samples.js';
import { ratioAtLeast } from './stats.js';
import type { Group, Task } from './suite.js';

const PACKETS = 256;
/** As many as a registry holds: the ones that are paid lie among them. */
const REGISTERED = 100_000;

interface Paid {
  readonly packet: MeshPacket;
  readonly invoice: string;
}

function paid(): readonly Paid[] {
  return paidPackets(PACKETS, 200).map((bytes) => {
    const decoded = decodePacket(bytes);
    const proof = decoded.ok ? decoded.value.packet.paymentProof : null;
    if (!decoded.ok || proof?.kind !== 'Lightning') throw new Error('the sample is paid by Lightning');
    return { packet: decoded.value.packet, invoice: proof.invoice };
  });
}

/** One verdict each. */
function verified(name: string, packets: readonly Paid[], tools: VerifierTools): Task {
  const { sha256 } = tools;
  const decoder = new Bolt11Decoder(sha256 === undefined ? {} : { sha256 });
  const verifier = new PaymentVerifier(POLICY, decoder, tools);
  const nowSeconds = Math.floor(Date.now() / 1_000);
  return {
    name,
    unit: 'payments/s',
    operations: packets.length,
    run: () => {
      for (const { packet } of packets) {
        const { paymentProof } = packet;
        if (paymentProof === null || !verifier.verify(paymentProof, { packet, nowSeconds }).verified) {
          throw new Error('the sample is good');
        }
      }
    },
  };
}

export function issuedInvoices(): Group {
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(16));
  const sha256 = (bytes: Uint8Array): Uint8Array => kernel.sha256(bytes);
  const packets = paid();
  const registry = InvoiceRegistry.create(kernel, REGISTERED);
  const decoder = new Bolt11Decoder();
  const facts = packets.map(({ invoice }) => {
    const read = decoder.decode(invoice);
    if (!read.ok) throw new Error(read.detail);
    return { ...read.invoice, settledMsat: null };
  });
  for (let number = 0; number < REGISTERED; number++) {
    const [some] = facts;
    if (some !== undefined) registry.register(`${packets[0]?.invoice ?? ''}${number}`, some);
  }
  facts.forEach((fact, index) => registry.register(packets[index]?.invoice ?? '', fact));
  return {
    name: 'verdict on a payment',
    tasks: [
      verified('invoice unknown: read and recovered', packets, { sha256 }),
      { ...verified('invoice issued here', packets, { sha256, registry }), target: ratioAtLeast(20) },
      {
        name: 'registry lookup alone',
        unit: 'lookups/s',
        operations: packets.length,
        run: () => {
          for (const { invoice } of packets) registry.find(invoice);
        },
      },
    ],
  };
}

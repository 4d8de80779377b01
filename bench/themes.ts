/** All that `npm run bench` measures, by the names of `--only`, in the order of the table. */
import { reading, signatures } from './bolt11.js';
import { breakdown } from './breakdown.js';
import { packetCodec } from './codec.js';
import type { NamedTheme, Themes } from './command.js';
import { checksums, detections } from './detection.js';
import { freePipelines, mixedLoad } from './free.js';
import { hashes } from './hash.js';
import { idlePool } from './idle.js';
import { ingest } from './ingest.js';
import { issuedInvoices } from './issued.js';
import { durableClaims } from './journal.js';
import { ledgerCosts } from './ledger.js';
import { latencies } from './latency.js';
import { overhead } from './overhead.js';
import { paidPipelines, scaling } from './paid.js';
import { rawRecovery } from './recovery.js';
import { replay } from './replay.js';
import { routing } from './routing.js';
import { idleMinutes } from './transport-idle.js';
import { transport } from './transport.js';
import { tuning } from './tuning.js';

export const THEMES: Themes = new Map<string, NamedTheme>([
  ['recovery', { about: 'the curve alone, on one thread and on all', theme: rawRecovery }],
  [
    'paid',
    { about: 'paid packets through the pool: unknown and issued invoices, durable', theme: paidPipelines },
  ],
  ['free', { about: 'free packets through the pool: 200 B, 1,400 B, 64 kB', theme: freePipelines }],
  ['mixed', { about: 'paid, free and junk packets through the pool together', theme: mixedLoad }],
  ['scaling', { about: 'paid packets by number of workers', theme: scaling, isLong: true }],
  [
    'latency',
    { about: 'a paid packet at 1, 50 and 90 % load, and a lonely one', theme: latencies, isLong: true },
  ],
  [
    'breakdown',
    { about: 'where the time of a paid packet goes, part by part', theme: breakdown, isLong: true },
  ],
  ['idle', { about: 'processor time of a pool without packets', theme: idlePool }],
  [
    'overhead',
    {
      about: 'issued and free packets with metrics, recorder and page, beside without',
      theme: overhead,
      isOnRequest: true,
    },
  ],
  ['ingest', { about: 'packet events of the node, in memory and over a socket', theme: ingest }],
  ['codec', { about: 'packets decoded and encoded', theme: packetCodec }],
  ['hash', { about: 'SHA-256 and keyed fingerprints of 32 B', theme: hashes }],
  ['detection', { about: 'what a payload is, message by message and in batches', theme: detections }],
  ['checksum', { about: 'Bitcoin messages detected with their checksum', theme: checksums }],
  ['invoice', { about: 'invoices read without the curve', theme: reading }],
  ['signature', { about: 'invoices judged, beside the curve alone', theme: signatures }],
  ['issued', { about: 'payments by invoices of this node, beside unknown ones', theme: issuedInvoices }],
  ['replay', { about: 'used payments looked up and claimed', theme: replay }],
  [
    'routing',
    { about: 'routes found with and without the cache, priced, and what 100,000 weigh', theme: routing },
  ],
  ['ledger', { about: 'fees, postings, balances, and reading them at the start', theme: ledgerCosts }],
  ['journal', { about: 'claims made durable in groups', theme: durableClaims }],
  [
    'transport',
    {
      about: 'the direct transport beside node:tls: frames, hops, connections, idle peers',
      theme: transport,
      isLong: true,
    },
  ],
  [
    'idle-peers',
    { about: 'memory of 1,000 idle peers over ten minutes', theme: idleMinutes, isOnRequest: true },
  ],
  ['tuning', { about: 'what batch_max and batch_linger_us do', theme: tuning, isOnRequest: true }],
]);

// docs/troubleshooting.md from what scripts/troubleshooting.mjs saw: the words around the transcript stand here.

/** How each fault was caused, what its output means and what to do, under the names of the script. */
export const FAULTS = {
  'wrong mode': {
    cause: '`mode = "bitcoin_only"` in `config.toml`, and a paid packet of a neighbour.',
    finds: /ModeForbids[^]*FAIL {2}the gate {2,}mode bitcoin_only[^]*set-mode payment_gated/,
    meaning:
      'The packet was in order; this node carries none of its kind. The gate says which mode it looked at.',
    remedy:
      '`npx blvm-mesh set-mode payment_gated --data-dir mine` until the next start, `mode` in `config.toml` for good.',
  },
  'unreachable peer': {
    cause: '`peers = ["10.0.0.99:18444"]`: nobody is there.',
    finds: /warn {2}peers .*configured but not connected: 10\.0\.0\.99:18444/,
    meaning:
      'A configured peer has no connection. One that is connected and "not" after "said hello" runs no mesh: node-3 here.',
    remedy: 'Mend the address or the firewall on the way. The other peers serve meanwhile.',
  },
  'expired invoice': {
    cause: 'A neighbour sends a packet four seconds after paying an invoice that was good for two.',
    finds: /InvoiceExpired[^]*FAIL {2}invoice in its time/,
    meaning: 'The line says when the invoice was issued, when it expired and when the packet came.',
    remedy:
      "The sender's: a fresh invoice. Where a fresh one is refused so, one of the clocks is wrong: see below.",
  },
  replay: {
    cause: 'A neighbour sends the same paid packet twice.',
    finds: /ReplayedPayment[^]*FAIL {2}payment was not used before/,
    meaning:
      'Everything about the payment holds, but it was used: the first packet passed, the second did not.',
    remedy: "The sender's: another invoice. On a retry of your own, nothing: it had arrived.",
  },
  'wrong payee': {
    cause: 'The packet is for this node; the invoice that was paid is that of node-3.',
    finds: /PayeeNotAccepted[^]*FAIL {2}payee is accepted/,
    meaning: 'The line names the key that was paid, and how many others this node would take.',
    remedy:
      "Where that key is yours or a partner's, `accepted_payees` or `payees` in `config.toml`. Else the sender paid somebody else.",
  },
  'full disk': {
    cause: 'The data directory lies on a small disk, which is then filled.',
    finds: /fail {2}disk space .*ENOSPC/,
    meaning:
      'No payment can be recorded, so paid packets are refused as `NotRecorded`: none is acted on that a restart would forget.',
    remedy: 'Make room, then restart the module.',
  },
  'no native module': {
    cause:
      'The compiled parts of `secp256k1` are moved away: as on a platform for which it brings none, without a C compiler.',
    finds: /warn {2}native secp256k1 .*WebAssembly is used/,
    meaning: 'Invoices are still judged, and judged the same, some three times slower.',
    remedy: 'A C compiler and Python, then `npm rebuild secp256k1`, then a restart.',
  },
  'clock off by an hour': {
    cause: 'The module is started with a clock that is an hour ahead.',
    finds: /fail {2}clock .*3\d\d\d s ahead of/,
    meaning:
      'Past 120 s payments are refused as expired or as from the future. The clock is held against the middle one of the peers.',
    remedy: '`timedatectl set-ntp true`. Where there is one peer only, it may be the one that is wrong.',
  },
  'port in use': {
    cause: '`listen_addr` names a port that another program has.',
    finds: /fail {2}module runs .*cannot listen on[^]*fail {2}listen address .*EADDRINUSE/,
    meaning:
      'The module does not start; its last error is in the first line, with the program that has the port.',
    remedy:
      'End that program, or name another port. The same for `dashboard_addr`, with which the module does start: `page and metrics` tells.',
  },
  'killed worker': {
    cause: 'One of the two threads that judge packets is ended from inside.',
    finds: /warn {2}workers {2,}2 of 2 judge packets, 1 were lost/,
    meaning: 'Another took its place, and its packets were judged. The warning stays until the restart.',
    remedy: 'Once is no harm. Where it goes on, see the log for why, and the memory of the host.',
  },
};

const block = (text, kind = '') => `\`\`\`${kind}\n${text.trimEnd()}\n\`\`\`\n`;

/** What the doctor found in order is left out: what is not stands alone. */
function shown({ command, output }) {
  const isDoctor = command.includes(' doctor ');
  const lines = output.trimEnd().split('\n');
  const kept = isDoctor ? lines.filter((line) => !line.startsWith('ok ')) : lines;
  const text = kept.join('\n').replace(/^\n+/, '');
  return block(`$ ${command}\n${isDoctor ? '…\n' : ''}${text}`);
}

const heading = (name) => name[0].toUpperCase() + name.slice(1);

export function pageOf({ start: { network, healthy, peers, health, first }, found }) {
  const sections = Object.entries(FAULTS).map(([name, { cause, meaning, remedy }]) => {
    const seen = found[name];
    if (seen === null) throw new Error(`${name} was not seen: the page would not be whole`);
    return `## ${heading(name)}\n\n**Caused by:** ${cause}\n\n${shown(seen)}\n**It means:** ${meaning}\n\n**Remedy:** ${remedy}\n`;
  });
  return `# Troubleshooting

Two commands find what is wrong: \`doctor\` looks at the installation, the host and the module as a whole, running or not;
\`explain\` says of a packet what became of it, check by check. This page is the transcript of a new operator's way, from an empty
folder, on a development network: it is written by \`npm run docs:troubleshooting\`, which performs all of it, and a test causes each
fault again. Node ids, times and process ids differ from run to run.

| what you see                           | ask                                                                    |
| -------------------------------------- | ---------------------------------------------------------------------- |
| it does not start, or nothing comes    | \`npx blvm-mesh doctor --data-dir DIR\`                                  |
| packets are refused                    | \`npx blvm-mesh explain --last 10 --data-dir DIR\`                       |
| one kind of refusal                    | \`npx blvm-mesh explain --reason InvoiceExpired --data-dir DIR\`         |
| one peer has trouble                   | \`npx blvm-mesh explain --peer 10.0.0.2:18444 --data-dir DIR\`           |
| no way to a node                       | \`npx blvm-mesh trace NODE_ID --data-dir DIR\`                           |
| what a reason means                    | [reasons.md](reasons.md)                                               |

## From an empty folder

\`\`\`sh
mkdir mesh && cd mesh
npm init --yes && npm install ./blvm-mesh-0.1.0.tgz   # made by \`npm pack\` in the checkout
npx blvm-mesh dev-node --nodes 3 --dir net
\`\`\`

${block(network)}
A data directory with a configuration for node-1, another one for node-2 without the last line, and a module on each, in two
more terminals:

${block(
  `mkdir -m 700 mine
cat > mine/config.toml <<'END'
network = "regtest"
listen_addr = ""                     # packets go over the nodes
workers = 2
hello_interval_seconds = 1
dashboard_addr = "127.0.0.1:8335"    # the page, metrics and health
END
npx blvm-mesh run --socket net/node-1.sock --data-dir mine`,
  'sh',
)}
All is well when the doctor says so:

${block(`$ ${healthy.command}\n${healthy.output}`)}
${block(`$ ${peers.command}\n${peers.output}`)}
${block(`$ curl http://127.0.0.1:8335/healthz\n${health}`)}
The page is at <http://127.0.0.1:8335/> ([dashboard.md](dashboard.md)). A paid packet of node-2 comes in:

${block(`$ ${first.command}\n${first.output}`)}
${sections.join('\n')}`;
}

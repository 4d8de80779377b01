/** What a running module's own facts say: connection, permissions, clock, peers, routes, payments, memory of payments. */
import type { ModuleFacts } from './facts.js';
import { failure, fine, warning, type Finding } from './finding.js';

/** How far clocks may differ before payments are refused for it (limits.md, FUTURE_SECONDS), and a quarter of it. */
const CLOCK_FAIL_SECONDS = 120;
const CLOCK_WARN_SECONDS = 30;

/** Part of the replay table that is in use. */
const TABLE_WARN = 0.9;

/** A refusal that stands for so much of what came is worth a look, once there was something to compare. */
const REFUSED_WARN = 0.5;
const REFUSED_FEW = 20;

export function moduleFindings(facts: ModuleFacts): readonly Finding[] {
  return [
    nodeConnection(facts),
    capabilities(facts),
    lightning(facts),
    workers(facts),
    journal(facts),
    clock(facts),
    peers(facts),
    routes(facts),
    replay(facts),
    refusals(facts),
    losses(facts),
  ];
}

function nodeConnection({ node }: ModuleFacts): Finding {
  const check = 'connection to the node';
  if (node.state !== 'connected')
    return failure(
      check,
      `${node.state}; the last node was ${node.version}`,
      'start the node; the module connects by itself',
    );
  const found = `connected to ${node.version}`;
  return node.lost === 0
    ? fine(check, found)
    : warning(check, `${found}; lost ${node.lost} times`, 'see the log of the node for why it closed');
}

function capabilities({ node }: ModuleFacts): Finding {
  const check = 'capabilities granted';
  const { missingCapabilities, refusedRequests } = node;
  return missingCapabilities.length === 0
    ? fine(check, 'nothing that was asked for was refused')
    : failure(
        check,
        `the node refuses ${refusedRequests.join(', ')}`,
        `allow ${missingCapabilities.join(', ')} in module.toml and restart the node`,
      );
}

function lightning({ lightning: { key, error } }: ModuleFacts): Finding {
  const check = 'Lightning';
  if (error !== null) return failure(check, error, 'start the Lightning node of this node, or set own_payee');
  return key === null
    ? warning(check, 'the node has no wallet', 'set own_payee, or packets can be paid to others alone')
    : fine(check, `paid to ${key}`);
}

function workers({ workers: { wanted, running, lost } }: ModuleFacts): Finding {
  const check = 'workers';
  const found = `${running} of ${wanted} judge packets, ${lost} were lost`;
  if (running === 0) return failure(check, found, 'restart the module; its log says why they end');
  return lost === 0
    ? fine(check, found)
    : warning(
        check,
        found,
        'they were replaced; the log says why they ended: memory of the host is the usual cause',
      );
}

function journal({ journal: { isFailed, records, bytes } }: ModuleFacts): Finding {
  const check = 'journal';
  const found = `${records} records, ${bytes} bytes`;
  return isFailed
    ? failure(
        check,
        `it could not be written; paid packets are refused as NotRecorded (${found})`,
        'make room on the disk or mend it, then restart the module',
      )
    : fine(check, found);
}

function clock({ peers: list }: ModuleFacts): Finding {
  const check = 'clock';
  const offsets = list.flatMap(({ clockAheadSeconds: ahead }) => (ahead === null ? [] : [ahead]));
  if (offsets.length === 0)
    return warning(check, 'no peer to compare with has said hello yet', 'ask again later');
  const ahead = [...offsets].sort((a, b) => a - b)[Math.floor(offsets.length / 2)] ?? 0;
  const found = `${Math.abs(ahead)} s ${ahead > 0 ? 'behind' : 'ahead of'} the ${offsets.length} peers that told theirs`;
  const remedy = 'set the clock by NTP (timedatectl set-ntp true), or look at the peers where they are few';
  if (Math.abs(ahead) > CLOCK_FAIL_SECONDS) return failure(check, found, remedy);
  return Math.abs(ahead) > CLOCK_WARN_SECONDS ? warning(check, found, remedy) : fine(check, found);
}

function peers({ peers: list, missingPeers }: ModuleFacts): Finding {
  const check = 'peers';
  const silent = list.filter(({ hasSaidHello }) => !hasSaidHello).map(({ address }) => address);
  const found =
    `${list.length - silent.length} have said hello` +
    (silent.length === 0 ? '' : `, ${silent.join(', ')} not`) +
    (missingPeers.length === 0 ? '' : `; configured but not connected: ${missingPeers.join(', ')}`);
  const remedy =
    missingPeers.length > 0
      ? 'check address and firewall of the missing ones, and that the node connects to them'
      : 'those that never answer do not speak mesh; have the node connect to nodes that do';
  if (list.length === silent.length) return failure(check, found, remedy);
  return missingPeers.length > 0 ? warning(check, found, remedy) : fine(check, found);
}

function routes({ routes: count, peers: list }: ModuleFacts): Finding {
  const check = 'routes';
  const found = `${count} known`;
  if (count > 0) return fine(check, found);
  return list.some(({ hasSaidHello }) => hasSaidHello)
    ? warning(check, found, 'they are looked for when first wanted: `blvm-mesh trace NODE_ID`')
    : failure(check, found, 'without a peer that has said hello there are none');
}

function replay({ replay: { keys, capacity, refused }, topReasons }: ModuleFacts): Finding {
  const check = 'memory of used payments';
  const found = `${keys} of ${capacity}`;
  if (refused > 0)
    return failure(check, `${found}; ${refused} payments found no room`, 'raise replay_capacity and restart');
  const young = topReasons.find(({ name }) => name === 'JournalTooYoung');
  if (young !== undefined) {
    return warning(
      check,
      `${found}; ${young.count} payments were older than the journal and refused`,
      'a journal that was lost comes to itself within a day; payments made after it pass',
    );
  }
  return keys > TABLE_WARN * capacity
    ? warning(check, found, 'raise replay_capacity at the next restart')
    : fine(check, found);
}

function refusals({ received, accepted, topReasons }: ModuleFacts): Finding {
  const check = 'packets refused';
  const all = topReasons.reduce((sum, { count }) => sum + count, 0);
  const [most] = topReasons;
  if (most === undefined) return fine(check, `none of ${received}`);
  const found = `${all} against ${accepted} accepted; most: ${most.count} as ${most.name}, ${most.meaning}`;
  const isMuch = all > REFUSED_FEW && all > REFUSED_WARN * (all + accepted);
  const look = `blvm-mesh explain --reason ${most.name}`;
  return isMuch || accepted === 0
    ? warning(check, found, `${most.remedy}; \`${look}\` shows them one by one`)
    : fine(check, `${found} (\`${look}\`)`);
}

function losses({ node: { eventsDropped, timedOut }, logLinesDropped }: ModuleFacts): Finding {
  const check = 'nothing lost on the way';
  const found = `${eventsDropped} events dropped, ${timedOut} requests timed out, ${logLinesDropped} log lines dropped`;
  return eventsDropped + timedOut + logLinesDropped === 0
    ? fine(check, found)
    : warning(
        check,
        found,
        'this process or the node does not keep up: fewer packets a minute, or a faster machine',
      );
}

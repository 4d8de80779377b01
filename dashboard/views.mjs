// The views: each makes its elements from the page's state, as often as that changes.
import { graph, inked, lines } from './charts.mjs';
import {
  bar,
  card,
  duration,
  grid,
  h,
  millis,
  number,
  numbers,
  percent,
  prose,
  quiet,
  sats,
  shortId,
  table,
  wide,
} from './draw.mjs';

export const VIEWS = { overview, topology, routes, ledger, decentralization, security };

const times = (history) => history.map(({ at }) => at);
const rate = (history, name, ink) => ({ name, ink, values: history.map(({ rates }) => rates[name]) });

function overview({ latest, history }) {
  const { rates, latency, uptimeSeconds, peers, routes: known, workers, queued, earnedMsat } = latest;
  return [
    numbers([
      ['paid', number(rates.paid), '/s'],
      ['free', number(rates.free), '/s'],
      ['refused', number(rates.refused), '/s'],
      ['latency, 99 of 100', millis(latency.packetP99)],
      ['earned', sats(earnedMsat), 'sats'],
      ['peers', String(peers.filter(({ nodeId }) => nodeId !== null).length)],
      ['routes', number(known.length)],
      ['up', duration(uptimeSeconds)],
    ]),
    grid(
      lines('Packets a second', 'a second', times(history), [
        rate(history, 'paid', 'a'),
        rate(history, 'free', 'b'),
        rate(history, 'refused', 'c'),
        rate(history, 'control', 'd'),
      ]),
      lines('What became of them', 'a second', times(history), [
        rate(history, 'delivered', 'a'),
        rate(history, 'forwarded', 'b'),
        rate(history, 'refused', 'c'),
      ]),
      card(
        'Latency',
        table(
          'since the start, sampled',
          ['part', 'half of all#', '99 of 100#'],
          [
            ['arrival to next hop', millis(latency.packetP50), millis(latency.packetP99)],
            ['queue and verdict', millis(latency.judgeP50), millis(latency.judgeP99)],
            ['fdatasync of the journal', millis(latency.fsyncP50), millis(latency.fsyncP99)],
            ['a request to the node', millis(latency.nodeP50), millis(latency.nodeP99)],
          ],
        ),
      ),
      card(
        'Work',
        table(
          'now',
          ['what', 'figure#'],
          [
            ['workers that judge packets', number(workers)],
            ['packets in queues', number(queued)],
            ['packets received a second', number(rates.received)],
            ['control messages a second', number(rates.control)],
          ],
        ),
      ),
    ),
  ];
}

const named = (entity) =>
  h(
    'span',
    { class: 'whole-line' },
    inked(h('i', { class: 'swatch', 'aria-hidden': 'true' }), entity),
    shortId(entity, 8),
  );

function topology({ latest, room }) {
  const { nodes, links, leftOut } = latest.topology;
  const entities = new Map();
  for (const { entity, isSelf } of nodes) if (!isSelf) entities.set(entity, (entities.get(entity) ?? 0) + 1);
  return grid(
    wide(
      'The network as this node knows it',
      graph({ nodes, links }, room),
      h(
        'ul',
        { class: 'key', 'aria-label': 'entities and their nodes' },
        [...entities]
          .slice(0, 12)
          .map(([entity, count]) => h('li', {}, named(entity), count > 1 ? ` ${count} nodes` : '')),
      ),
      quiet(
        `A colour is an entity, that is, nodes of one owner. A figure is packets a second on a link of this node.${leftOut > 0 ? ` ${leftOut} farther nodes are not drawn.` : ''}`,
      ),
    ),
    card(
      'Peers',
      table(
        'direct links',
        ['node', 'address', 'in/s#', 'out/s#', 'clock#'],
        latest.peers.map(({ nodeId, address, inPerSecond, outPerSecond, clockAheadSeconds }) => [
          nodeId === null ? 'no hello yet' : shortId(nodeId, 8),
          address,
          number(inPerSecond),
          number(outPerSecond),
          clockAheadSeconds === null ? '' : `${clockAheadSeconds > 0 ? '+' : ''}${clockAheadSeconds}\u00a0s`,
        ]),
        'No peer is connected.',
      ),
    ),
    card(
      'Nodes',
      table(
        'known nodes, nearest first',
        ['node', 'entity', 'hops#', 'share#'],
        nodes.map(({ id, entity, hops, share, isSelf }) => [
          isSelf ? 'this node' : shortId(id, 8),
          isSelf ? '' : named(entity),
          String(hops),
          percent(share),
        ]),
      ),
    ),
  );
}

const badge = (outcome, reason) =>
  h('span', { class: `badge ${outcome}` }, outcome === 'refused' ? `refused: ${reason}` : outcome);

function routes(page) {
  const { latest, chosen } = page;
  const trace = card(
    'A packet, hop by hop',
    chosen === null
      ? quiet('Choose one of the packets: its way, and every check with what it looked at, are shown here.')
      : packetView(chosen, latest.nodeId),
  );
  trace.id = 'chosen';
  return h(
    'div',
    { class: 'grid split' },
    card(
      'Packets lately',
      table(
        'newest first',
        ['when', 'packet', 'what became of it', 'from'],
        latest.packets.map(({ at, packetId, outcome, reason, from }) => [
          at.slice(11, 19),
          packetId === null
            ? 'unknown'
            : h(
                'button',
                {
                  type: 'button',
                  class: 'id',
                  'aria-pressed': chosen?.packetId === packetId ? 'true' : 'false',
                  click: () => void page.choose(packetId),
                },
                packetId.slice(0, 12),
              ),
          badge(outcome, reason),
          from ?? 'this node',
        ]),
        'No packet has come yet.',
      ),
    ),
    trace,
    wide(
      'Routes',
      table(
        'known routes, at most 100',
        ['to', 'over', 'hops#', 'cost#', 'age#'],
        latest.routes.slice(0, 100).map(({ ids, costSats, ageSeconds }) => [
          shortId(ids.at(-1)),
          ids.length < 3
            ? 'a direct link'
            : h(
                'span',
                { class: 'id' },
                ids
                  .slice(1, -1)
                  .map((id) => id.slice(0, 8))
                  .join(' → '),
              ),
          String(ids.length - 1),
          `${costSats}\u00a0sats`,
          duration(ageSeconds),
        ]),
        'No route is known yet: they are looked for when first wanted.',
      ),
    ),
  );
}

function packetView({ packetId, answer }, self) {
  if (answer === null) return quiet(`asking about ${packetId.slice(0, 12)}…`);
  if (answer.missing) return quiet('It is not recorded any more.');
  const { route, outcome, reason, meaning, remedy, checks, bytes, at } = answer;
  const role = (index) => (index === 0 ? 'source' : index === route.length - 1 ? 'destination' : 'router');
  return h(
    'div',
    {},
    h('p', { class: 'id whole' }, packetId),
    h(
      'p',
      {},
      badge(outcome, reason),
      h('span', { class: 'quiet' }, ` at ${at.slice(11, 19)}, ${number(bytes)} bytes`),
    ),
    h(
      'ol',
      { class: 'hops', 'aria-label': 'its route' },
      route.map((id, index) =>
        h(
          'li',
          { class: id === self ? 'self' : null },
          h('span', { class: 'role' }, id === self ? `${role(index)}, this node` : role(index)),
          ' ',
          shortId(id),
        ),
      ),
    ),
    remedy === ''
      ? null
      : h('p', { class: 'remedy' }, `${meaning}. `, h('b', {}, 'What to do: '), prose(remedy)),
    table(
      'every check of this node, in order',
      ['check', 'result', 'what it looked at'],
      checks.map(({ check, state, inputs }) => [
        check,
        h(
          'span',
          { class: `whole-line ${state === 'failed' ? 'failed' : state === 'ok' ? 'ok' : 'quiet'}` },
          state,
        ),
        h('span', { class: 'inputs' }, inputs),
      ]),
    ),
  );
}

function ledger({ latest }) {
  const { ledger: sums, earnedMsat, payees, debtCapMsat } = latest;
  const total = Math.max(1, Number(sums.totalMsat));
  const role = (name, msat) => [name, number(msat), percent(Number(msat) / total), bar(Number(msat) / total)];
  return [
    numbers([
      ['paid in', sats(sums.totalMsat), 'sats'],
      ['this node earned', sats(earnedMsat), 'sats'],
      ['payments', number(sums.postings)],
      ['owed by payees', sats(payees.reduce((sum, { owedMsat }) => sum + Number(owedMsat), 0)), 'sats'],
      ['conserved', sums.conserved ? 'yes' : 'NO', '', sums.conserved ? 'ok' : 'failed'],
    ]),
    grid(
      card(
        'By role',
        table(
          'of all payments that this node accepted',
          ['role', 'msat#', 'share#', ''],
          [
            role('destinations', sums.destinationMsat),
            role('routers', sums.routersMsat),
            role('treasury', sums.treasuryMsat),
          ],
        ),
      ),
      card(
        'By payee',
        table(
          'what they owe this node, and how much of the cap that is',
          ['payee', 'msat#', 'of the cap#', ''],
          payees.map(({ payee, owedMsat, isCapped }) => [
            shortId(payee),
            number(owedMsat),
            percent(Number(owedMsat) / Math.max(1, Number(debtCapMsat))) + (isCapped ? ', reached' : ''),
            bar(Number(owedMsat) / Math.max(1, Number(debtCapMsat)), isCapped),
          ]),
          'Nobody owes this node anything.',
        ),
      ),
    ),
  ];
}

function decentralization({ latest, history }) {
  const { shares, cap, hhi, nakamoto, usableEntities, packets, concentration } = latest.monopoly;
  const isKnown = shares.length > 0;
  return [
    numbers([
      ['HHI', isKnown ? number(Math.round(hhi)) : 'none yet'],
      ['Nakamoto', isKnown ? String(nakamoto) : 'none yet', isKnown ? 'entities' : ''],
      ['cap', percent(Math.min(1, cap))],
      ['entities to choose from', String(usableEntities)],
      ['paid packets counted', number(packets)],
      ['where all are above it', concentration],
    ]),
    grid(
      wide(
        'Shares against the cap',
        table(
          'the largest entities, of what was forwarded in 24 hours',
          ['entity', 'share#', ''],
          shares.map(({ entity, share }) => [
            named(entity),
            percent(share) + (share > cap ? ', above the cap' : ''),
            bar(share, share > cap, cap < 1 ? cap : null),
          ]),
          'No paid packet was forwarded by another node yet.',
        ),
      ),
      lines('HHI over time', '', times(history), [
        { name: 'HHI', ink: 'a', values: history.map(({ hhi: value }) => Math.round(value)) },
      ]),
      lines('Nakamoto over time', 'entities', times(history), [
        { name: 'entities', ink: 'd', values: history.map(({ nakamoto: value }) => value) },
      ]),
    ),
  ];
}

function security({ latest, history }) {
  const { refusals, warnings, floodedOut, bans, allBans, rates } = latest;
  return [
    numbers([
      ['refused', number(rates.refused), '/s'],
      ['refused since the start', number(refusals.reduce((sum, { count }) => sum + count, 0))],
      ['reasons', String(refusals.length)],
      ['counted in floods', number(floodedOut)],
      ['bans in force', number(allBans)],
    ]),
    grid(
      wide(
        'Refusals by reason',
        table(
          'since the start',
          ['reason', 'count#', 'what it means, and what to do'],
          refusals.map(({ name, count, meaning, remedy }) => [
            h('b', { class: 'reason' }, broken(name)),
            number(count),
            [h('span', {}, `${meaning}. `), h('span', { class: 'quiet' }, prose(remedy))],
          ]),
          'Nothing was refused.',
        ),
      ),
      lines('Refusals a second', 'a second', times(history), [rate(history, 'refused', 'c')]),
      card(
        'Bans in force',
        table(
          'of the direct transport, newest first',
          ['address or node', 'ends in#'],
          bans.map(({ name, secondsLeft }) => [
            /[.:]/.test(name) ? name : shortId(name),
            `${Math.ceil(secondsLeft / 60)} min`,
          ]),
          'Nobody is banned.',
        ),
      ),
      wide(
        'Warnings, bans and floods',
        table(
          'newest first',
          ['when', 'what', 'facts'],
          warnings.map(({ time, level, message, facts }) => [
            time.slice(11, 19),
            [h('span', { class: level === 'warn' ? 'warn' : 'failed' }, level), ` ${message}`],
            h('span', { class: 'inputs' }, factsText(facts)),
          ]),
          'No warning since the start.',
        ),
      ),
    ),
  ];
}

/** A name that may be broken before its capitals. */
const broken = (name) =>
  name.split(/(?=[A-Z])/).map((part, index) => (index === 0 ? part : [h('wbr'), part]));

/** Facts come as JSON text: `name value` reads better. */
function factsText(facts) {
  const read = facts === '' ? {} : JSON.parse(facts);
  return Object.entries(read)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

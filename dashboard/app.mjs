// The page: listens to /events, shows one view at a time, and asks /packet about a chosen packet.
import { card, graph, h, lines, millis, number, numbers, percent, shortId, table, wide } from './draw.mjs';

const main = document.getElementById('main');
const state = document.getElementById('state');
let latest = null;
let history = [];
/** What was asked about a packet: its id, and the answer as it comes. */
let chosen = null;

const VIEWS = { overview, topology, routes, ledger, decentralization, security };

function viewName() {
  const name = location.hash.slice(1);
  return Object.hasOwn(VIEWS, name) ? name : 'overview';
}

function say(text, isBad) {
  // Said once, not with every figure: a screen reader reads it aloud.
  if (state.textContent !== text) state.textContent = text;
  state.className = isBad ? 'bad' : '';
}

function render() {
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#${viewName()}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (latest === null) return;
  const focused = focusPath();
  document.getElementById('node').textContent =
    `${latest.nodeId.slice(0, 16)}, ${latest.mode} on ${latest.network}`;
  const faults = latest.faults;
  say(faults.length === 0 ? 'live' : `live; wrong: ${faults.join(', ')}`, faults.length > 0);
  main.replaceChildren(...[VIEWS[viewName()](latest)].flat());
  refocus(focused);
}

/** What has the focus, so that it stays where it is while the figures change. */
function focusPath() {
  const { activeElement: element } = document;
  return element !== null && element !== main && main.contains(element)
    ? [...main.querySelectorAll('button, [tabindex]')].indexOf(element)
    : -1;
}

function refocus(index) {
  if (index >= 0) [...main.querySelectorAll('button, [tabindex]')][index]?.focus({ preventScroll: true });
}

const times = () => history.map(({ at }) => at);
const series = (name, of) => ({ name, values: history.map(of) });

function overview({ rates, latency, uptimeSeconds, peers, routes: known, workers, queued, earnedMsat }) {
  return [
    numbers([
      ['paid packets/s', number(rates.paid)],
      ['free packets/s', number(rates.free)],
      ['refused/s', number(rates.refused)],
      ['packet, 99 of 100', millis(latency.packetP99)],
      ['earned', `${number(BigInt(earnedMsat) / 1_000n)} sats`],
      ['peers', String(peers.filter(({ nodeId }) => nodeId !== null).length)],
      ['routes', number(known.length)],
      ['up', `${number(Math.floor(uptimeSeconds / 60))} min`],
    ]),
    h(
      'div',
      { class: 'grid' },
      lines('Packets', 'per second', times(), [
        series('paid', ({ rates: of }) => of.paid),
        series('free', ({ rates: of }) => of.free),
        series('refused', ({ rates: of }) => of.refused),
        series('control', ({ rates: of }) => of.control),
      ]),
      lines('What became of them', 'per second', times(), [
        series('delivered', ({ rates: of }) => of.delivered),
        series('forwarded', ({ rates: of }) => of.forwarded),
        series('refused', ({ rates: of }) => of.refused),
      ]),
      card(
        'Latency since the start',
        table(
          'sampled',
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
        numbers([
          ['workers', String(workers)],
          ['packets queued', number(queued)],
        ]),
      ),
    ),
  ];
}

function topology({ topology: { nodes, links, leftOut }, peers }) {
  return h(
    'div',
    { class: 'grid' },
    wide(
      'The network as this node knows it',
      graph({ nodes, links }),
      h(
        'p',
        { class: 'quiet' },
        `A colour is an entity; the figure on a link is its packets a second.${leftOut > 0 ? ` ${leftOut} farther nodes are not drawn.` : ''}`,
      ),
    ),
    wide(
      'Peers',
      table(
        'direct links',
        ['node', 'address', 'in/s#', 'out/s#', 'clock ahead#'],
        peers.map(({ nodeId, address, inPerSecond, outPerSecond, clockAheadSeconds }) => [
          nodeId === null ? 'has not said hello' : shortId(nodeId),
          address,
          number(inPerSecond),
          number(outPerSecond),
          clockAheadSeconds === null ? '' : `${clockAheadSeconds} s`,
        ]),
      ),
    ),
    wide(
      'Nodes',
      table(
        'known nodes',
        ['node', 'entity', 'hops#', 'share#'],
        nodes.map(({ id, entity, hops, share, isSelf }) => [
          isSelf ? 'this node' : shortId(id),
          shortId(entity),
          String(hops),
          percent(share),
        ]),
      ),
    ),
  );
}

function routes({ routes: known, packets }) {
  return h(
    'div',
    { class: 'grid' },
    wide(
      'A packet, hop by hop',
      chosen === null ? h('p', { class: 'quiet' }, 'Choose one of the packets below.') : packetView(chosen),
    ),
    wide(
      'Packets lately',
      table(
        'newest first',
        ['when', 'packet', 'what became of it', 'from'],
        packets.map(({ at, packetId, outcome, reason, from }) => [
          at.slice(11, 19),
          packetId === null
            ? 'unknown'
            : h('button', { type: 'button', click: () => void choose(packetId) }, packetId.slice(0, 12)),
          outcome === 'refused' ? `refused: ${reason}` : outcome,
          from ?? 'this node',
        ]),
      ),
    ),
    wide(
      'Routes',
      table(
        'known routes, at most 100',
        ['way', 'hops#', 'cost#', 'age#'],
        known
          .slice(0, 100)
          .map(({ ids, costSats, ageSeconds }) => [
            ids.map((id) => id.slice(0, 8)).join(' > '),
            String(ids.length - 1),
            `${costSats} sats`,
            `${ageSeconds} s`,
          ]),
      ),
    ),
  );
}

async function choose(packetId) {
  chosen = { packetId, answer: null };
  render();
  const response = await fetch(`packet?id=${packetId}`);
  const { packets = [] } = response.ok ? await response.json() : {};
  chosen = { packetId, answer: packets[0] ?? { missing: true } };
  render();
}

function packetView({ packetId, answer }) {
  if (answer === null) return h('p', {}, `asking about ${packetId.slice(0, 12)}…`);
  if (answer.missing) return h('p', {}, 'It is not recorded any more.');
  const { route, outcome, reason, meaning, remedy, checks, bytes } = answer;
  return h(
    'div',
    {},
    h(
      'p',
      {},
      h('code', {}, packetId),
      `: ${bytes} bytes, ${outcome}${remedy === '' ? '' : `: ${reason}, ${meaning}`}`,
    ),
    h(
      'ol',
      { class: 'hops', 'aria-label': 'its route' },
      route.map((id) => h('li', {}, shortId(id), id === latest.nodeId ? ' this node' : '')),
    ),
    table(
      'checks',
      ['check', 'result', 'what it looked at'],
      checks.map(({ check, state: result, inputs }) => [
        check,
        h('span', { class: result === 'failed' ? 'failed' : result === 'ok' ? 'ok' : 'quiet' }, result),
        inputs,
      ]),
    ),
    remedy === '' ? null : h('p', {}, `What to do: ${remedy}`),
  );
}

function ledger({ ledger: sums, earnedMsat, payees }) {
  return [
    numbers([
      ['paid in', `${number(sums.totalMsat)} msat`],
      ['destinations', `${number(sums.destinationMsat)} msat`],
      ['routers', `${number(sums.routersMsat)} msat`],
      ['treasury', `${number(sums.treasuryMsat)} msat`],
      ['this node', `${number(earnedMsat)} msat`],
      ['conserved', sums.conserved ? 'yes' : 'NO'],
    ]),
    h(
      'div',
      { class: 'grid' },
      card(
        'Payees',
        table(
          'what they owe this node',
          ['payee', 'msat#', 'cap'],
          payees.map(({ payee, owedMsat, isCapped }) => [
            shortId(payee),
            number(owedMsat),
            isCapped ? 'reached' : '',
          ]),
        ),
      ),
    ),
  ];
}

function decentralization({ monopoly }) {
  const { shares, cap, hhi, nakamoto, usableEntities, packets, concentration } = monopoly;
  return [
    numbers([
      ['HHI', number(hhi)],
      ['Nakamoto', String(nakamoto)],
      ['cap', percent(cap)],
      ['entities', String(usableEntities)],
      ['paid packets counted', number(packets)],
      ['rule', concentration],
    ]),
    h(
      'div',
      { class: 'grid' },
      card(
        'Shares against the cap',
        table(
          'the largest entities',
          ['entity', 'share#', ''],
          shares.map(({ entity, share }) => {
            const bar = h('i', { class: share > cap ? 'over' : null });
            bar.style.width = percent(Math.min(1, share));
            return [
              shortId(entity),
              percent(share) + (share > cap ? ', above the cap' : ''),
              h('div', { class: 'bar', 'aria-hidden': 'true' }, bar),
            ];
          }),
        ),
      ),
      lines('HHI', '', times(), [series('HHI', ({ hhi: value }) => value)]),
      lines('Nakamoto', 'entities', times(), [series('Nakamoto', ({ nakamoto: value }) => value)]),
    ),
  ];
}

function security({ refusals, warnings, floodedOut, rates }) {
  return [
    numbers([
      ['refused/s', number(rates.refused)],
      ['refused since the start', number(refusals.reduce((sum, { count }) => sum + count, 0))],
      ['counted in floods', number(floodedOut)],
    ]),
    h(
      'div',
      { class: 'grid' },
      wide(
        'Refusals by reason',
        table(
          'since the start',
          ['reason', 'count#', 'meaning', 'what to do'],
          refusals.map(({ name, count, meaning, remedy }) => [name, number(count), meaning, remedy]),
        ),
      ),
      lines('Refusals', 'per second', times(), [series('refused', ({ rates: of }) => of.refused)]),
      wide(
        'Warnings, bans and floods',
        table(
          'newest first',
          ['when', 'level', 'what', 'facts'],
          warnings.map(({ time, level, message, facts }) => [time, level, message, facts]),
        ),
      ),
    ),
  ];
}

addEventListener('hashchange', () => {
  render();
  main.focus({ preventScroll: true });
});
const events = new EventSource('events');
events.addEventListener('history', ({ data }) => {
  history = JSON.parse(data);
});
events.addEventListener('snapshot', ({ data }) => {
  latest = JSON.parse(data);
  if (latest.sample !== null && latest.sample.at !== history.at(-1)?.at) {
    history = [...history, latest.sample].slice(-latest.historyLength);
  }
  render();
});
events.addEventListener('error', () => {
  say('the module does not answer; trying again', true);
});
render();

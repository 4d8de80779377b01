// The page: listens to /events, shows one view at a time, and asks /packet about a chosen packet.
import { VIEWS } from './views.mjs';

const main = document.getElementById('main');
const state = document.getElementById('state');
const page = {
  /** The newest snapshot. */
  latest: null,
  history: [],
  /** What was asked about a packet: its id, and the answer once it came. */
  chosen: null,
  choose,
  /** Pixels for what is drawn over the whole width. */
  get room() {
    return main.clientWidth;
  },
};

function viewName() {
  const name = location.hash.slice(1);
  return Object.hasOwn(VIEWS, name) ? name : 'overview';
}

function say(text, isBad) {
  // Said once, not with every figure: a screen reader reads it aloud.
  if (state.textContent !== text) state.textContent = text;
  state.className = isBad ? 'bad' : 'good';
}

function render() {
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#${viewName()}`) {
      link.setAttribute('aria-current', 'page');
      main.setAttribute('aria-label', link.textContent);
      document.title = `${link.textContent}, blvm-mesh`;
    } else link.removeAttribute('aria-current');
  }
  const { latest } = page;
  if (latest === null) return;
  const keep = whereTheReaderIs();
  document.getElementById('node').textContent = `node ${latest.nodeId.slice(0, 16)}`;
  document.getElementById('mode').textContent = `${latest.mode} on ${latest.network}`;
  const { faults } = latest;
  say(faults.length === 0 ? 'live' : `live; wrong: ${faults.join(', ')}`, faults.length > 0);
  main.replaceChildren(...[VIEWS[viewName()](page)].flat());
  keep();
}

/** Keeps the focus, and how far tables were moved sideways, while the figures change. */
function whereTheReaderIs() {
  const name = main.dataset.view;
  main.dataset.view = viewName();
  if (name !== viewName()) return () => undefined;
  const stops = () => [...main.querySelectorAll('button, [tabindex]')];
  const focused = stops().indexOf(document.activeElement);
  const moved = [...main.querySelectorAll('.scroll')].map(({ scrollLeft }) => scrollLeft);
  return () => {
    stops()[focused]?.focus({ preventScroll: true });
    main.querySelectorAll('.scroll').forEach((element, index) => (element.scrollLeft = moved[index] ?? 0));
  };
}

async function choose(packetId) {
  page.chosen = { packetId, answer: null };
  render();
  const response = await fetch(`packet?id=${packetId}`);
  const { packets = [] } = response.ok ? await response.json() : {};
  page.chosen = { packetId, answer: packets[0] ?? { missing: true } };
  render();
  document.getElementById('chosen')?.scrollIntoView({ block: 'nearest' });
  const { outcome, route } = page.chosen.answer;
  document.getElementById('said').textContent =
    outcome === undefined
      ? 'This packet is not recorded any more.'
      : `Packet ${packetId.slice(0, 12)}: ${outcome}, a route of ${route.length} nodes.`;
}

addEventListener('hashchange', () => {
  render();
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
});
addEventListener('resize', render);
document.querySelector('.skip').addEventListener('click', (event) => {
  // The part of the address behind # names the view: it stays.
  event.preventDefault();
  main.focus();
});
const events = new EventSource('events');
events.addEventListener('history', ({ data }) => {
  page.history = JSON.parse(data);
});
events.addEventListener('snapshot', ({ data }) => {
  const latest = JSON.parse(data);
  page.latest = latest;
  if (latest.sample !== null && latest.sample.at !== page.history.at(-1)?.at)
    page.history = [...page.history, latest.sample].slice(-latest.historyLength);
  render();
});
events.addEventListener('error', () => {
  say('the module does not answer; trying again', true);
});
render();

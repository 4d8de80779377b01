// Pictures: lines over time, and the graph of the network. Each says in words what it shows.
import { card, duration, h, number, quiet, s } from './draw.mjs';

/** Each line has dashes of its own too, so that nobody needs colours to tell them apart. */
const DASHES = { a: '', b: '7 4', c: '2 4', d: '10 4 2 4' };

/**
 * Lines over time.
 * @param times Unix milliseconds, oldest first
 * @param series `{ name, ink, values }`, a value for each time; inks are a to d
 */
export function lines(title, unit, times, series) {
  if (times.length < 2) return card(title, quiet('The first figures come within seconds.'));
  const most = roundedUp(Math.max(...series.flatMap(({ values }) => values)));
  const figure = ({ name, values }) => `${name} ${number(values.at(-1) ?? 0)}`;
  const seconds = (times.at(-1) - times[0]) / 1_000;
  const about = `${title} over ${duration(seconds)}: now ${series.map(figure).join(', ')}${unit === '' ? '' : ` ${unit}`}`;
  const x = (index) => ((100 * index) / (times.length - 1)).toFixed(2);
  const y = (value) => (100 - (100 * value) / most).toFixed(2);
  const drawing = s(
    'svg',
    { viewBox: '0 0 100 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': about },
    [0, 50, 100].map((at) => s('line', { class: 'axis', x1: 0, x2: 100, y1: at, y2: at })),
    series.map(({ ink, values }) =>
      s('polyline', {
        class: 'curve',
        stroke: `var(--${ink})`,
        'stroke-dasharray': DASHES[ink],
        points: values.map((value, at) => `${x(at)},${y(value)}`).join(' '),
      }),
    ),
  );
  const labels = h(
    'div',
    { class: 'labels', 'aria-hidden': 'true' },
    [1, 0.5, 0].map((part) => h('span', {}, number(most * part))),
  );
  const span = h(
    'div',
    { class: 'span', 'aria-hidden': 'true' },
    h('span', {}, `${duration(seconds)} ago`),
    h('span', {}, 'now'),
  );
  const key = series.map(({ name, ink, values }) =>
    h(
      'li',
      {},
      s(
        'svg',
        { viewBox: '0 0 28 8', 'aria-hidden': 'true' },
        s('line', {
          x1: 0,
          x2: 28,
          y1: 4,
          y2: 4,
          stroke: `var(--${ink})`,
          'stroke-width': 3,
          'stroke-dasharray': DASHES[ink],
        }),
      ),
      `${name} `,
      h('b', {}, number(values.at(-1) ?? 0)),
    ),
  );
  return card(
    title,
    h('div', { class: 'chart' }, labels, drawing, span),
    h('ul', { class: 'key', 'aria-label': `${title}, now${unit === '' ? '' : `, ${unit}`}` }, key),
  );
}

/** The next of 1, 2, 3, 4, 6, 8, 10, 20 and so on: half of it is a round number too. */
function roundedUp(most) {
  if (!(most > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(most));
  return ten * ([1, 2, 3, 4, 6, 8].find((step) => step * ten >= most) ?? 10);
}

/** Entities in the order in which they were first drawn: each has its hue for as long as the page is open. */
const order = new Map();

/** Hues that follow each other by the golden angle are far apart, however many there are. */
function hueOf(entity) {
  if (!order.has(entity)) order.set(entity, order.size);
  return Math.round(205 + 137.5 * order.get(entity)) % 360;
}

/** Gives an element the colour of an entity. */
export function inked(element, entity) {
  element.style.setProperty('--hue', String(hueOf(entity)));
  element.classList.add('entity');
  return element;
}

/** What the page and the card keep around the drawing on a phone. */
const SMALL_MARGIN = 50;

/**
 * The network in rings by distance from this node, each node near the one that it hangs on: the same picture each time.
 * @param roomPixels the width that it will have, so that its letters have their size on a phone too
 */
export function graph({ nodes, links }, roomPixels) {
  const isSmall = roomPixels < 560;
  const side = Math.max(230, roomPixels - SMALL_MARGIN);
  const [width, height] = isSmall ? [side, side] : [760, 400];
  const places = placed(nodes, links, { width, height, nameRoom: isSmall ? 34 : 84 });
  const busiest = Math.max(1e-9, ...links.map(({ packetsPerSecond }) => packetsPerSecond ?? 0));
  const known = links.flatMap(({ a, b, packetsPerSecond: rate }) => {
    const [from, to] = [places.get(a), places.get(b)];
    return from === undefined || to === undefined ? [] : [{ from, to, rate }];
  });
  const drawnLinks = known.map(({ from, to, rate }) =>
    s('line', {
      class: rate === null ? 'link' : 'link own',
      x1: from.x,
      y1: from.y,
      x2: to.x,
      y2: to.y,
      'stroke-width': rate === null ? 1.5 : 2 + (4 * rate) / busiest,
    }),
  );
  const middle = places.get(nodes.find(({ isSelf }) => isSelf)?.id) ?? { x: width / 2, y: height / 2 };
  // A little nearer to the neighbour: the name of this node is in the middle.
  const ratePlace = (from, to) => {
    const [near, far] = from === middle ? [from, to] : [to, from];
    return { x: near.x + 0.55 * (far.x - near.x), y: near.y + 0.55 * (far.y - near.y) + 4 };
  };
  const rates = known.flatMap(({ from, to, rate }) =>
    rate === null
      ? []
      : [s('text', { class: 'rate', ...ratePlace(from, to), 'text-anchor': 'middle' }, `${number(rate)}/s`)],
  );
  const dots = nodes.flatMap(({ id, entity, isSelf }) => {
    const at = places.get(id);
    if (at === undefined) return [];
    const dot = s('circle', { cx: at.x, cy: at.y, r: isSelf ? 14 : 9, class: isSelf ? 'self' : null });
    return [isSelf ? dot : inked(dot, entity)];
  });
  const names = nodes.flatMap(({ id, isSelf }) => {
    const at = places.get(id);
    if (at === undefined) return [];
    const isLeft = at.x < middle.x;
    const isBelow = isSmall || isSelf || Math.abs(at.x - middle.x) < width / 12;
    const place = isBelow
      ? { x: at.x, y: at.y + (isSelf ? 30 : at.y > middle.y ? 25 : -16), 'text-anchor': 'middle' }
      : { x: at.x + (isLeft ? -14 : 14), y: at.y + 4, 'text-anchor': isLeft ? 'end' : 'start' };
    return [s('text', place, isSelf ? 'this node' : id.slice(0, 8))];
  });
  const about = `${nodes.length} nodes and ${links.length} links known; the tables below list them`;
  return s(
    'svg',
    { class: 'graph', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': about },
    drawnLinks,
    rates,
    dots,
    names,
  );
}

/** Angle that nodes of one ring keep from each other where there is room, in radians. */
const LEAST_ANGLE = 1;
/** A ring is turned against the one inside it, so that names in a row do not cover each other, in radians. */
const TWIST = 0.45;
const TURNS = 60;

function placed(nodes, links, { width, height, nameRoom }) {
  const places = new Map();
  const rings = Math.max(1, ...nodes.map(({ hops }) => hops));
  const angles = new Map();
  for (let ring = 0; ring <= rings; ring++) {
    const here = nodes
      .filter(({ hops }) => hops === ring)
      .map(({ id }) => ({ id, angle: wishedAngle(id, links, angles) + TWIST }))
      .sort((p, q) => p.angle - q.angle || (p.id < q.id ? -1 : 1));
    if (ring < 2) here.forEach((node, at) => (node.angle = -0.6 + (2 * Math.PI * at) / here.length));
    else moveApart(here);
    // The first ring needs more room than what is farther out.
    const radius = (ring / rings) ** 0.75;
    for (const { id, angle } of here) {
      if (ring > 0) angles.set(id, angle);
      places.set(id, { x: radius * Math.cos(angle), y: radius * Math.sin(angle) });
    }
  }
  stretch([...places.values()], 'x', nameRoom, width - nameRoom);
  stretch([...places.values()], 'y', 36, height - 36);
  return places;
}

/** Has the points fill the room from one bound to the other. */
function stretch(points, axis, low, high) {
  const values = points.map((point) => point[axis]);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  for (const point of points) {
    point[axis] =
      most > least ? low + ((high - low) * (point[axis] - least)) / (most - least) : (low + high) / 2;
  }
}

/** Moves the nodes of a ring, in the order of their angles, until each pair has its room. */
function moveApart(here) {
  if (here.length < 2) return;
  const least = Math.min(LEAST_ANGLE, (2 * Math.PI) / here.length);
  for (let turn = 0; turn < TURNS; turn++) {
    here.forEach((node, at) => {
      const isLast = at === here.length - 1;
      const next = here[isLast ? 0 : at + 1];
      const missing = least - (next.angle + (isLast ? 2 * Math.PI : 0) - node.angle);
      if (missing <= 0) return;
      node.angle -= missing / 2;
      next.angle += missing / 2;
    });
  }
}

/** Where the neighbours that have a place are, seen from the middle. */
function wishedAngle(id, links, angles) {
  const near = links.flatMap(({ a, b }) => (a === id ? [b] : b === id ? [a] : []));
  return meanAngle(near.map((other) => angles.get(other)).filter((angle) => angle !== undefined));
}

function meanAngle(angles) {
  const sum = (of) => angles.reduce((total, angle) => total + of(angle), 0);
  return Math.atan2(sum(Math.sin), sum(Math.cos));
}

// Drawing with nothing but the DOM: elements, tables, line charts, the graph of the network. Text that came from
// outside is only ever set as text.

const SVG = 'http://www.w3.org/2000/svg';
const INKS = ['var(--a)', 'var(--b)', 'var(--c)', 'var(--d)'];
const DASHES = ['', '6 3', '2 3', '9 3 2 3'];

/** An element with attributes and children (texts, elements, or nothing). */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const card = (title, ...children) =>
  h('section', { 'aria-label': title }, h('h2', {}, title), ...children);

export const wide = (title, ...children) => {
  const made = card(title, ...children);
  made.className = 'wide';
  return made;
};

export const shortId = (id) => h('span', { class: 'id', title: id }, id.slice(0, 12));

export const number = (value) => Number(value).toLocaleString('en-US', { maximumFractionDigits: 1 });

export const percent = (value) => `${number(100 * value)} %`;

export function millis(seconds) {
  if (seconds === null) return 'none yet';
  return seconds < 1 ? `up to ${number(1_000 * seconds)} ms` : `up to ${number(seconds)} s`;
}

/** Terms with their values, large. */
export function numbers(entries) {
  return h(
    'dl',
    { class: 'numbers' },
    entries.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))),
  );
}

/** A table that scrolls by itself where it is too wide. Columns whose name ends in # are numbers. */
export function table(caption, columns, rows) {
  const isNumber = columns.map((name) => name.endsWith('#'));
  const cell = (kind, value, index) => h(kind, { class: isNumber[index] ? 'number' : null }, value);
  if (rows.length === 0) return h('p', { class: 'quiet' }, `${caption}: none yet`);
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((name, index) =>
            h('th', { scope: 'col', class: isNumber[index] ? 'number' : null }, name.replace('#', '')),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            row.map((value, index) => cell('td', value, index)),
          ),
        ),
      ),
    ),
  );
}

/** Lines over time, each with its own dashes too, so that nobody needs colours to tell them apart. */
export function lines(title, unit, times, series) {
  const [width, height, left, bottom] = [600, 180, 48, 20];
  const most = Math.max(1e-9, ...series.flatMap(({ values }) => values));
  const x = (index) => left + ((width - left) * index) / Math.max(1, times.length - 1);
  const y = (value) => (height - bottom) * (1 - value / most) + 6;
  const now = series.map(({ name, values }) => `${name} ${number(values.at(-1) ?? 0)} ${unit}`).join(', ');
  const minutes = times.length < 2 ? 0 : Math.round((times.at(-1) - times[0]) / 60_000);
  const chart = s(
    'svg',
    { viewBox: `0 0 ${width} ${height + 8}`, role: 'img', 'aria-label': `${title}: now ${now}` },
    [0, 0.5, 1].map((part) => [
      s('line', { class: 'axis', x1: left, x2: width, y1: y(most * part), y2: y(most * part) }),
      s('text', { x: left - 6, y: y(most * part) + 4, 'text-anchor': 'end' }, number(most * part)),
    ]),
    s('text', { x: left, y: height + 4 }, `${minutes} min ago`),
    s('text', { x: width, y: height + 4, 'text-anchor': 'end' }, 'now'),
    series.map(({ values }, index) =>
      s('polyline', {
        fill: 'none',
        stroke: INKS[index % INKS.length],
        'stroke-width': 2,
        'stroke-dasharray': DASHES[index % DASHES.length],
        points: values.map((value, at) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' '),
      }),
    ),
  );
  const key = series.map(({ name, values }, index) =>
    h(
      'li',
      {},
      s(
        'svg',
        { viewBox: '0 0 24 10', 'aria-hidden': 'true' },
        s('line', {
          x1: 0,
          x2: 24,
          y1: 5,
          y2: 5,
          stroke: INKS[index % INKS.length],
          'stroke-width': 3,
          'stroke-dasharray': DASHES[index % DASHES.length],
        }),
      ),
      `${name}: ${number(values.at(-1) ?? 0)} ${unit}`,
    ),
  );
  return card(title, chart, h('ul', { class: 'key' }, key));
}

/** The same entity has the same hue in every view. */
function hueOf(text) {
  let hash = 0;
  for (const letter of text) hash = (hash * 31 + letter.charCodeAt(0)) % 360;
  return hash;
}

const colourOf = (entity) => `hsl(${hueOf(entity)} 60% 50%)`;

/** Nodes in rings by their distance from this one, each near the node that it hangs on: the same picture every time. */
export function graph({ nodes, links }) {
  const [width, height] = [640, 420];
  const places = placed(nodes, links, width, height);
  const busiest = Math.max(1e-9, ...links.map(({ packetsPerSecond }) => packetsPerSecond ?? 0));
  const drawnLinks = links.flatMap(({ a, b, packetsPerSecond: rate }) => {
    const [from, to] = [places.get(a), places.get(b)];
    if (from === undefined || to === undefined) return [];
    const line = s('line', {
      x1: from.x,
      y1: from.y,
      x2: to.x,
      y2: to.y,
      stroke: 'currentColor',
      'stroke-opacity': 0.55,
      'stroke-width': rate === null ? 1 : 1.5 + (5 * rate) / busiest,
    });
    if (rate === null) return [line];
    const label = s(
      'text',
      { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 - 4, 'text-anchor': 'middle' },
      `${number(rate)}/s`,
    );
    return [line, label];
  });
  const drawnNodes = nodes.flatMap(({ id, entity, isSelf }) => {
    const at = places.get(id);
    if (at === undefined) return [];
    return [
      s('circle', {
        cx: at.x,
        cy: at.y,
        r: isSelf ? 13 : 9,
        fill: isSelf ? 'var(--text)' : colourOf(entity),
        stroke: 'var(--card)',
        'stroke-width': 2,
      }),
      s('text', { x: at.x, y: at.y + 26, 'text-anchor': 'middle' }, isSelf ? 'this node' : id.slice(0, 8)),
    ];
  });
  const about = `${nodes.length} nodes and ${links.length} links known; the tables below list them`;
  return s(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': about },
    drawnLinks,
    drawnNodes,
  );
}

function placed(nodes, links, width, height) {
  const places = new Map();
  const rings = Math.max(1, ...nodes.map(({ hops }) => hops));
  const angles = new Map();
  for (let ring = 0; ring <= rings; ring++) {
    const here = nodes.filter(({ hops }) => hops === ring);
    const parentAngle = (id) => {
      const near = links.flatMap(({ a, b }) =>
        a === id ? [angles.get(b)] : b === id ? [angles.get(a)] : [],
      );
      return near.find((angle) => angle !== undefined) ?? 0;
    };
    here.sort((p, q) => parentAngle(p.id) - parentAngle(q.id) || (p.id < q.id ? -1 : 1));
    here.forEach(({ id }, index) => {
      const angle = (2 * Math.PI * (index + (ring % 2) / 3)) / Math.max(1, here.length);
      angles.set(id, angle);
      places.set(id, {
        x: width / 2 + ((width / 2 - 50) * ring * Math.cos(angle)) / rings,
        y: height / 2 - 8 + ((height / 2 - 40) * ring * Math.sin(angle)) / rings,
      });
    });
  }
  return places;
}

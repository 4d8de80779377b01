// Drawing with nothing but the DOM: elements, tables, figures. Text that came from outside is only ever set as text.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children (texts, elements, or nothing), lists of them at any depth. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A part of a view with a heading of its own. */
export const card = (title, ...children) =>
  h('section', { 'aria-label': title }, h('h2', {}, title), ...children);

/** A card over the whole width. */
export function wide(title, ...children) {
  const made = card(title, ...children);
  made.className = 'wide';
  return made;
}

export const grid = (...children) => h('div', { class: 'grid' }, ...children);

export const quiet = (...children) => h('p', { class: 'quiet' }, ...children);

export const shortId = (id, digits = 12) => h('span', { class: 'id', title: id }, id.slice(0, digits));

export const number = (value) => Number(value).toLocaleString('en-US', { maximumFractionDigits: 1 });

/** A no-break space before the sign, so that a figure stays with its unit. */
export const percent = (value) => `${number(100 * value)}\u00a0%`;

export function millis(seconds) {
  if (seconds === null) return 'none yet';
  return seconds < 1 ? `≤\u00a0${number(1_000 * seconds)}\u00a0ms` : `≤\u00a0${number(seconds)}\u00a0s`;
}

/** Decimal text of msat as sats, exactly. */
export const sats = (msat) => (Number(msat) / 1_000).toLocaleString('en-US', { maximumFractionDigits: 3 });

export function duration(seconds) {
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** Text in which `commands` stand between backticks. */
export const prose = (text) =>
  text.split('`').map((part, index) => (index % 2 === 1 ? h('code', {}, part) : part));

/** Terms with their values, large: [term, value, unit or nothing, class or nothing]. */
export function numbers(entries) {
  return h(
    'dl',
    { class: 'numbers' },
    entries.map(([term, value, unit = '', tone = null]) =>
      h(
        'div',
        {},
        h('dt', {}, term),
        h('dd', { class: tone }, value, unit === '' ? null : h('span', { class: 'unit' }, ` ${unit}`)),
      ),
    ),
  );
}

/** A part of a whole as a bar; the figure itself stands beside it as text. A mark says where the limit is. */
export function bar(share, isOver = false, mark = null) {
  const filledPart = h('i', { class: isOver ? 'over' : null });
  filledPart.style.width = percentOf(share);
  const limit = mark === null ? null : h('b');
  if (limit !== null) limit.style.left = percentOf(mark);
  return h('div', { class: 'bar', 'aria-hidden': 'true' }, filledPart, limit);
}

const percentOf = (share) => `${100 * Math.min(1, Math.max(0, share))}%`;

/** A table that scrolls by itself where it is too wide. Columns whose name ends in # are numbers. */
export function table(caption, columns, rows, empty = 'none yet') {
  const isNumber = columns.map((name) => name.endsWith('#'));
  const cell = (kind, value, index) => h(kind, { class: isNumber[index] ? 'number' : null }, value);
  if (rows.length === 0) return quiet(empty);
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

/**
 * Line charts as SVG text: axes, lines, a legend. Readable on light and dark ground: text and axes take the colour of
 * their surroundings.
 */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Dashed, for limits. */
  readonly isLimit?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** The y axis goes from 0 to here. */
  readonly yMax: number;
  readonly lines: readonly Line[];
}

const WIDTH = 720;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 20;
const TOP = 52;
const BOTTOM = 44;
const TICKS = 5;
/** Distinct for most eyes, and dark enough on white, light enough on black. */
const COLOURS = ['#3b82c4', '#d9822b', '#2f9e6e', '#b85ca8', '#8a8a2e'] as const;

/** The charts of one picture, one below the other. */
export function svgOf(charts: readonly Chart[]): string {
  const height = HEIGHT * charts.length;
  const body = charts.map(
    (chart, i) => `<g transform="translate(0 ${i * HEIGHT})">\n${chartOf(chart)}</g>\n`,
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="currentColor" color="#1f2328">\n` +
    `<style>@media (prefers-color-scheme: dark) { svg { color: #d1d7e0 } }</style>\n${body.join('')}</svg>\n`
  );
}

function chartOf({ title, xTitle, yTitle, yMax, lines }: Chart): string {
  const xMax = Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(([x]) => x)));
  const x = (value: number): string => (LEFT + ((WIDTH - LEFT - RIGHT) * value) / xMax).toFixed(1);
  const y = (value: number): string =>
    (HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * Math.min(value, yMax)) / yMax).toFixed(1);
  const [left, right] = [x(0), x(xMax)];
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  let out = text(LEFT, 18, title, 'font-weight="600"');
  for (let i = 0; i <= TICKS; i++) {
    const [xValue, yValue] = [(xMax * i) / TICKS, (yMax * i) / TICKS];
    out += `<line x1="${left}" y1="${y(yValue)}" x2="${right}" y2="${y(yValue)}" stroke="currentColor" stroke-opacity="${i === 0 ? 1 : 0.15}"/>\n`;
    out += text(LEFT - 8, Number(y(yValue)) + 4, short(yValue), 'text-anchor="end"');
    out += text(Number(x(xValue)), HEIGHT - BOTTOM + 18, short(xValue), 'text-anchor="middle"');
  }
  out += `<line x1="${left}" y1="${y(0)}" x2="${left}" y2="${y(yMax)}" stroke="currentColor"/>\n`;
  out += text(middle, HEIGHT - 8, xTitle, 'text-anchor="middle"');
  out += text(14, HEIGHT / 2, yTitle, `text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})"`);
  for (const [i, { name, points, isLimit = false }] of lines.entries()) {
    const colour = COLOURS[i % COLOURS.length] ?? 'currentColor';
    const stroke = `stroke="${colour}" stroke-width="2"${isLimit ? ' stroke-dasharray="6 4"' : ''}`;
    const path = points.map(([px, py]) => `${x(px)},${y(py)}`).join(' ');
    out += `<polyline fill="none" ${stroke} points="${path}"/>\n`;
    const legend = LEFT + (i * (WIDTH - LEFT - RIGHT)) / lines.length;
    out += `<line x1="${legend}" y1="36" x2="${legend + 22}" y2="36" ${stroke}/>\n`;
    out += text(legend + 28, 40, name);
  }
  return out;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>\n`;
}

/** At most three digits that matter. */
function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

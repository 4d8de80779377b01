/** What a run shows: a table for people, one object for programs, charts of its convergence and its shares. */
import Table from 'cli-table3';
import type { SimulationReport } from './report.js';
import { svgOf } from './svg.js';

const PERCENT = 100;

/** One object on one line. */
export function jsonOf(report: SimulationReport): string {
  return `${JSON.stringify(report)}\n`;
}

export function textOf(report: SimulationReport, seconds: number): string {
  const { lostBy, messages, faults, entity } = report;
  const table = plainTable();
  const row = (name: string, value: string | number): void => {
    table.push([name, typeof value === 'number' ? whole(value) : value]);
  };
  row('network', `${report.topology}: ${whole(report.nodes)} nodes, ${whole(report.links)} links`);
  row('scenario', `${report.scenario}, ${report.hours} h, seed ${report.seed}`);
  row('packets sent', report.sent);
  row(
    'delivered',
    `${whole(report.delivered)} (${percent(report.delivered / (report.sent - report.underway))})`,
  );
  row(
    'lost',
    `${whole(report.lost)}: ${whole(lostBy.noRoute)} without a route, ${whole(lostBy.links)} on links, ` +
      `${whole(lostBy.lostHops)} at lost hops, ${whole(lostBy.liars + lostBy.replays)} to liars`,
  );
  row('visits twice', report.loops);
  row('repaired on their way', report.repaired);
  row(
    'hops, latency',
    `${report.meanHops.toFixed(2)} hops, ${report.meanLatencyMillis.toFixed(0)} ms on average`,
  );
  row(
    'pairs within 10 hops',
    `${whole(report.reachablePairs)}, of which ${whole(report.workingPairs)} have a working route at the end`,
  );
  row(
    'discovery',
    `${whole(messages.total)} messages for ${whole(messages.routesFound)} routes: ` +
      `${messages.perRoute.toFixed(0)} each, flooding ${messages.floodPerRoute.toFixed(0)}`,
  );
  row(
    'routes installed',
    `${whole(report.installedRoutes)}, of which unauthenticated ${faults.unauthenticated}, unasked ${faults.unasked}, ` +
      `infeasible ${faults.infeasible}, malformed ${faults.malformed}`,
  );
  if (entity !== null) {
    row(
      'entity',
      `${percent(report.entityShare ?? 0)} of the nodes; carries ${percent(entity.share)} between the ` +
        `${whole(entity.avoidablePairs)} pairs that can do without it, ${percent(entity.shareElsewhere)} elsewhere`,
    );
  }
  row(
    'concentration',
    `HHI ${report.hhi.toFixed(0)}, Nakamoto ${report.nakamoto}, largest share ${percent(report.shares[0] ?? 0)}, ` +
      `cap ${percent(report.cap)}`,
  );
  if (report.medianPriceRatio !== null) {
    row('median price', `${report.medianPriceRatio.toFixed(2)} x the cheapest`);
  }
  row('took', `${seconds.toFixed(1)} s, ${whole(report.hopEvents)} hops`);
  const wrong = report.badRoutes.map((fault) => `bad route: ${fault}\n`).join('');
  return `${table.toString()}\n${wrong}`;
}

/** Convergence and shares over the run. */
export function plotOf(report: SimulationReport): string {
  const line = (of: (sample: SimulationReport['series'][number]) => number): [number, number][] =>
    report.series.map((sample) => [sample.minutes, PERCENT * of(sample)]);
  const shares = line(({ share }) => share);
  const cap = PERCENT * report.cap;
  const what = `${report.scenario}, ${report.nodes} nodes, seed ${report.seed}`;
  return svgOf([
    {
      title: `Convergence: ${what}`,
      xTitle: 'minutes',
      yTitle: '%',
      yMax: PERCENT,
      lines: [
        { name: 'pairs within 10 hops with a working route', points: line(({ working }) => working) },
        { name: 'packets delivered so far', points: line(({ delivered }) => delivered) },
      ],
    },
    {
      title: `Shares of what was forwarded: ${what}`,
      xTitle: 'minutes',
      yTitle: '% of paid msat',
      yMax: Math.min(
        PERCENT,
        Math.ceil((1.2 * Math.max(cap, ...shares.map(([, share]) => share))) / 10) * 10,
      ),
      lines: [
        { name: report.entity === null ? 'largest entity' : 'the colluding entity', points: shares },
        { name: 'cap', points: shares.map(([minutes]) => [minutes, cap]), isLimit: true },
      ],
    },
  ]);
}

/** A table without lines, its first column names. */
export function plainTable(): Table.Table {
  return new Table({
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  });
}

export function whole(value: number): string {
  return value.toLocaleString('en');
}

export function percent(part: number): string {
  return `${(PERCENT * part).toFixed(1)} %`;
}

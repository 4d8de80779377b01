/** How far a long run is: a bar on a terminal, a line now and then elsewhere. On the error output. */
import { SingleBar } from 'cli-progress';

/** Without a terminal progress is a line this often. */
const LINE_MILLIS = 10_000;
const STEPS = 1_000;

export interface Progress {
  /** @param done of the total */
  readonly update: (done: number) => void;
  readonly stop: () => void;
}

export function progressOf(what: string, total: number): Progress {
  return process.stderr.isTTY ? barOf(what, total) : linesOf(what, total);
}

function barOf(what: string, total: number): Progress {
  const bar = new SingleBar({
    format: `${what} {bar} {percentage} %, {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(STEPS, 0);
  return {
    update: (done) => {
      bar.update(Math.floor((STEPS * done) / total));
    },
    stop: () => {
      bar.stop();
    },
  };
}

function linesOf(what: string, total: number): Progress {
  let shownAt = performance.now();
  return {
    update: (done) => {
      if (performance.now() - shownAt < LINE_MILLIS) return;
      shownAt = performance.now();
      process.stderr.write(`${what}: ${Math.floor((100 * done) / total)} %\n`);
    },
    stop: () => undefined,
  };
}

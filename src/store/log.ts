/**
 * The log: structured lines in a rotated file of the data directory, and copies to where they are of use.
 *
 * Rules: node-ipc.md 1: nobody reads the pipes that the node gives a module, and a write to a full pipe stalls the
 * process for ever; so standard output is written to only when it is a terminal or a file. Main thread only.
 */
import { fstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { pino, stdTimeFunctions } from 'pino';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { LOG_COMPONENTS, type Clock, type Log, type LogComponent, type LogLevel } from '../core/ports.js';
import { printableFacts, textLine, type Facts } from './log-text.js';

const LEVEL_RANK: { readonly [L in LogLevel]: number } = { trace: 0, debug: 1, info: 2, warn: 3, error: 4 };

const STDOUT = 1;

/** Takes a copy of each line: the node's own log. Must not throw for long, and must not log. */
export type LogSink = (line: LogLine) => void;

/** One line, as it is written. */
export interface LogLine {
  readonly level: LogLevel;
  readonly component: LogComponent;
  readonly message: string;
  /** Printable. */
  readonly facts: Facts;
}

/** The least serious lines that are written: of all components, but for those that have a level of their own. */
export interface LogLevels {
  readonly level: LogLevel;
  readonly components?: readonly (readonly [LogComponent, LogLevel])[];
}

/** A warning or an error as it was written. */
export interface RecentLine {
  /** ISO 8601. */
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  /** JSON. */
  readonly facts: string;
}

/** How often one message came within its window. */
interface Repeats {
  windowStart: number;
  count: number;
  leftOut: number;
}

export class MeshLog implements Log {
  readonly #clock: Clock;
  readonly #levels = new Map<LogComponent, LogLevel>();
  readonly #file: RotatingFileStream;
  readonly #writer: pino.Logger;
  readonly #standardOutput: 'text' | 'json' | 'none';
  readonly #repeats = new Map<string, Repeats>();
  #sink: LogSink | null = null;
  readonly #recent: RecentLine[] = [];
  #linesDropped = 0;
  #isClosed = false;

  /**
   * @param parts `directory` is made where it is missing; `standardOutput` is found out unless it is given
   */
  constructor(
    parts: LogLevels & {
      readonly directory: string;
      readonly clock: Clock;
      readonly standardOutput?: 'text' | 'json' | 'none';
    },
  ) {
    this.#clock = parts.clock;
    this.setLevels(parts);
    this.#standardOutput = parts.standardOutput ?? standardOutputKind();
    mkdirSync(parts.directory, { recursive: true, mode: 0o700 });
    this.#file = createStream('mesh.log', {
      path: parts.directory,
      size: `${LIMITS.LOG_FILE_BYTES}B`,
      maxFiles: LIMITS.LOG_FILES,
      mode: 0o600,
    });
    // A log that cannot be written must not stop the module: its lines are counted as dropped.
    this.#file.on('error', () => {
      this.#linesDropped++;
    });
    this.#writer = pino(
      {
        // What is written is decided before it gets here.
        level: 'trace',
        base: null,
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      {
        write: (line: string) => {
          this.#write(line);
        },
      },
    );
  }

  /** Lines that the disk did not take in time. */
  get linesDropped(): number {
    return this.#linesDropped;
  }

  /** The newest warnings and errors, oldest first. */
  get recent(): readonly RecentLine[] {
    return this.#recent;
  }

  /** Sends a copy of each line to the sink from now on; null stops that. */
  setSink(sink: LogSink | null): void {
    this.#sink = sink;
  }

  /** Holds from now on, in place of all levels before. */
  setLevels({ level, components = [] }: LogLevels): void {
    for (const component of LOG_COMPONENTS) this.#levels.set(component, level);
    for (const [component, own] of components) this.#levels.set(component, own);
  }

  setLevel(component: LogComponent, level: LogLevel): void {
    this.#levels.set(component, level);
  }

  /** Of each component. */
  get levels(): ReadonlyMap<LogComponent, LogLevel> {
    return this.#levels;
  }

  /** The log of a component. */
  readonly of = (component: LogComponent): Log => ({
    log: (level, message, facts) => {
      this.#take(component, level, message, facts);
    },
  });

  /** A line of the module itself. */
  log(level: LogLevel, message: string, facts?: Facts): void {
    this.#take('module', level, message, facts);
  }

  /** Writes what is left out so far and waits until the file has taken everything, or a second. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    for (const [message, { leftOut: repeatsLeftOut }] of this.#repeats) {
      if (repeatsLeftOut > 0)
        this.#emit('module', 'info', 'repeats of a message were left out', { message, repeatsLeftOut });
    }
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(1_000, resolve);
      this.#file.end(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Repeats of one message within a window are counted, not written: an attacker must not fill the log. */
  #take(component: LogComponent, level: LogLevel, message: string, facts: Facts = {}): void {
    const least = this.#levels.get(component) ?? 'info';
    if (this.#isClosed || LEVEL_RANK[level] < LEVEL_RANK[least]) return;
    const leftOut = this.#judgeRepeat(level, message);
    if (leftOut === null) return;
    this.#emit(component, level, message, leftOut === 0 ? facts : { ...facts, repeatsLeftOut: leftOut });
  }

  /** How many repeats were left out before this line, or null where this one is left out too. */
  #judgeRepeat(level: LogLevel, message: string): number | null {
    const now = this.#clock.monotonicMillis();
    const key = `${level} ${message}`;
    const known = this.#repeats.get(key);
    if (known !== undefined && now - known.windowStart < LIMITS.LOG_REPEAT_MILLIS) {
      if (++known.count <= LIMITS.LOG_REPEATS) return 0;
      known.leftOut++;
      return null;
    }
    if (known === undefined && this.#repeats.size >= LIMITS.LOG_MESSAGES) {
      const [oldest] = this.#repeats.keys();
      if (oldest !== undefined) this.#repeats.delete(oldest);
    }
    // Set anew, so that the map stays in the order of the windows and the oldest goes first.
    this.#repeats.delete(key);
    this.#repeats.set(key, { windowStart: now, count: 1, leftOut: 0 });
    return known?.leftOut ?? 0;
  }

  #emit(component: LogComponent, level: LogLevel, message: string, given: Facts): void {
    const facts = printableFacts(given);
    if (LEVEL_RANK[level] >= LEVEL_RANK.warn) this.#remember(level, message, facts);
    this.#writer[level]({ component, facts }, message);
    if (this.#standardOutput === 'text') process.stdout.write(`${textLine(level, message, facts)}\n`);
    try {
      this.#sink?.({ level, component, message, facts });
    } catch (error) {
      this.#sink = null;
      this.#writer.error(
        { facts: { error: errorText(error) } },
        'the second log failed and is not used any more',
      );
    }
  }

  #remember(level: LogLevel, message: string, facts: Facts): void {
    const time = new Date(this.#clock.unixSeconds() * 1_000).toISOString();
    this.#recent.push({ time, level, message, facts: JSON.stringify(facts) });
    if (this.#recent.length > LIMITS.LOG_RECENT) this.#recent.shift();
  }

  #write(line: string): void {
    if (this.#file.writableLength > LIMITS.LOG_QUEUED_BYTES) this.#linesDropped++;
    else this.#file.write(line);
    if (this.#standardOutput === 'json') process.stdout.write(line);
  }
}

/** Text for a terminal, JSON for a file, nothing for a pipe or a socket. */
function standardOutputKind(): 'text' | 'json' | 'none' {
  if (isatty(STDOUT)) return 'text';
  try {
    return fstatSync(STDOUT).isFile() ? 'json' : 'none';
  } catch {
    return 'none'; // standard output is closed
  }
}

/** The folder of the log files in a data directory. */
export function logDirectory(dataDir: string): string {
  return join(dataDir, 'logs');
}

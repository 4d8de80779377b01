/** What a command of the module comes to, wherever it was asked for. */
import type { Json } from '../core/codec.js';

export interface CliOutcome {
  readonly stdout: string;
  readonly stderr: string;
  /** 0 done, 1 could not be done, 2 asked wrongly. */
  readonly exitCode: number;
}

export function json(value: Json): CliOutcome {
  return done(JSON.stringify(value));
}

export function done(text: string): CliOutcome {
  return { stdout: `${text}\n`, stderr: '', exitCode: 0 };
}

export function failed(text: string): CliOutcome {
  return { stdout: '', stderr: `${text}\n`, exitCode: 1 };
}

export function misuse(text: string): CliOutcome {
  return { stdout: '', stderr: `${text}\n`, exitCode: 2 };
}

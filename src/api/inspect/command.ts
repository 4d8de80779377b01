/**
 * `blvm-mesh inspect KIND [VALUE]`: one JSON line for each input.
 *
 * Bad input is an answer (a line with ok false, exit 0); misuse is an error (a message on stderr, exit 2).
 */
import { pipeline } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import { Command } from 'commander';
import { present } from '../../core/assert.js';
import { GENERATIONS, generationFor } from '../../node/generations.js';
import {
  INSPECT_KINDS,
  inspectLine,
  isInspectKind,
  lineTooLong,
  maxLineChars,
  type InspectKind,
  type InspectResult,
  type InspectTools,
} from './inspect.js';
import { boundedLines } from './lines.js';
import { inspectTools } from './tools.js';

/** Exit code of a command that was called wrongly. */
const MISUSE = 2;

/** White space that a line may have around its text. */
const WHITE_SPACE_BYTES = 1_024;

export interface InspectIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface InspectArguments {
  readonly kind: string;
  readonly value?: string | undefined;
  readonly stdin?: boolean | undefined;
  readonly nodeVersion?: string | undefined;
}

/** The newest version whose messages are known. */
function newestVersion(): string {
  return present(GENERATIONS[0], 'there are generations').to;
}

/** @returns the exit code */
export async function runInspect(wanted: InspectArguments, io: InspectIo): Promise<number> {
  const { kind, value, nodeVersion = newestVersion() } = wanted;
  if (!isInspectKind(kind)) return misuse(io, `there is no kind '${kind}'. Kinds: ${kindsText()}`);
  if (value === undefined && wanted.stdin !== true) {
    return misuse(io, 'give a VALUE, or --stdin to read one from each line');
  }
  if (value !== undefined && wanted.stdin === true) {
    return misuse(io, 'give either a VALUE or --stdin, not both');
  }
  const { generation, fit } = generationFor(nodeVersion);
  if (fit === 'unreadable') return misuse(io, `'${nodeVersion}' is no node version. Write it as 0.1.83`);
  if (fit !== 'exact') {
    io.stderr.write(`note: ${nodeVersion} is not known; messages are read as of ${generation.to}\n`);
  }

  const tools = inspectTools(nodeVersion);
  if (value !== undefined) {
    io.stdout.write(shown(inspectLine(kind, value, tools)));
    return 0;
  }
  const read = (input: AsyncIterable<Uint8Array>): AsyncGenerator<string> => answers(kind, input, tools);
  await pipeline(io.stdin, read, io.stdout, { end: false });
  return 0;
}

function misuse(io: InspectIo, message: string): number {
  io.stderr.write(`error: ${message}\n`);
  return MISUSE;
}

async function* answers(
  kind: InspectKind,
  input: AsyncIterable<Uint8Array>,
  tools: InspectTools,
): AsyncGenerator<string> {
  for await (const lines of boundedLines(input, maxLineChars(kind) + WHITE_SPACE_BYTES)) {
    let text = '';
    for (const line of lines) {
      text += shown(line === null ? lineTooLong(kind) : inspectLine(kind, line, tools));
    }
    if (text !== '') yield text;
  }
}

function shown(result: InspectResult): string {
  return `${JSON.stringify(result)}\n`;
}

function kindsText(): string {
  const plain = INSPECT_KINDS.filter((kind) => !kind.includes(':'));
  return [...plain, 'api-request:METHOD', 'api-response:METHOD'].join(', ');
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function inspectCommand(): Command {
  const methods = INSPECT_KINDS.filter((kind) => kind.startsWith('api-request:')).map(
    (kind) => kind.split(':')[1],
  );
  return new Command('inspect')
    .description('show what bytes or an invoice say, as one JSON line')
    .argument('<KIND>', kindsText())
    .argument('[VALUE]', 'hex, the text of an invoice, or for ctv a transaction and an input as HEXTX:INDEX')
    .option('--stdin', 'read one value from each line of standard input')
    .option('--node-version <VERSION>', 'whose messages to read as ipc', newestVersion())
    .addHelpText(
      'after',
      `
ctv gives the BIP119 template hash that CHECKTEMPLATEVERIFY checks in an input of a transaction.
METHOD is one of ${methods.join(', ')}.

Each input gives one line:
  {"ok":true,"value":...,"hex":"..."}                  decoded; hex is the value encoded again
  {"ok":false,"reason":"Truncated","detail":"..."}     refused, and why (exit code 0)

Examples:
  $ blvm-mesh inspect packet 4d455348...
  $ blvm-mesh inspect invoice lnbcrt1...
  $ blvm-mesh inspect ctv 02000000...:0
  $ blvm-mesh inspect api-request:send_packet --stdin < requests.hex
  $ blvm-mesh inspect ipc --node-version 0.1.83 --stdin < frames.hex`,
    )
    .action(
      async (kind: string, value: string | undefined, options: { stdin?: boolean; nodeVersion?: string }) => {
        process.exitCode = await runInspect({ kind, value, ...options }, process);
      },
    );
}

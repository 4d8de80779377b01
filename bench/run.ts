/** `npm run bench`: measures every group and prints a table, or JSON for scripts. */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import { GROUPS } from './groups.js';
import { measure, type Figure } from './suite.js';

interface Flags {
  readonly quick?: true;
  readonly only?: string;
  readonly json?: string;
}

/** Per task. */
const MILLIS = 1_000;
const QUICK_MILLIS = 100;

const program = new Command('bench')
  .description('measure the parts of blvm-mesh on this machine')
  .option('--quick', 'a tenth of the time, for a first look')
  .option('--only <name>', `one group: ${[...GROUPS.keys()].join(', ')}`, (name: string) => {
    if (!GROUPS.has(name)) throw new InvalidArgumentError(`there is no group ${name}`);
    return name;
  })
  .option('--json <file>', 'also write { machine, benches } to a file')
  .action(run);

async function run(flags: Flags): Promise<void> {
  const figures: Figure[] = [];
  for (const [name, make] of GROUPS) {
    if (flags.only !== undefined && flags.only !== name) continue;
    process.stderr.write(`measuring ${name}…\n`);
    const group = await make();
    figures.push(...(await measure(group, flags.quick === true ? QUICK_MILLIS : MILLIS)));
    await group.close?.();
  }
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const table = new Table({
    head: ['what', 'median', 'min', 'max', 'unit', 'ratio'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'left', 'right'],
  });
  for (const figure of figures) {
    const rates = [figure.median, figure.min, figure.max].map((rate) =>
      Math.round(rate).toLocaleString('en'),
    );
    table.push([
      figure.name,
      ...rates,
      figure.unit,
      figure.reference === null ? '1' : figure.ratio.toFixed(2),
    ]);
  }
  process.stdout.write(
    `${table.toString()}\n${machine.cores} x ${machine.cpu}, ${machine.memoryGiB} GiB, Node.js ${machine.node}\n` +
      'A ratio is to the first line of its group.\n',
  );
  if (flags.json !== undefined)
    writeFileSync(flags.json, `${JSON.stringify({ machine, benches: figures }, null, 2)}\n`);
}

await program.parseAsync();

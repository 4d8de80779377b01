/**
 * `blvm-mesh doctor`: walks through everything that keeps a mesh from working, with a remedy for each thing found.
 *
 * Works on a running module, which is asked at its door, and on a stopped one.
 * Exit codes: 0 nothing failed (there may be warnings), 1 something did, 2 asked wrongly.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { errorText } from '../../core/errors.js';
import { loadConfig, type MeshConfig } from '../../config/config.js';
import { askModule } from '../door/client.js';
import { dataDirOf, withDoorOptions, type DoorFlags } from '../door/flags.js';
import type { ModuleFacts } from './facts.js';
import { failure, fine, type Finding } from './finding.js';
import {
  configFindings,
  dataDirFindings,
  nodeSocket,
  packageFindings,
  stoppedFindings,
} from './host-checks.js';
import { reachableFindings } from './listening.js';
import { moduleFindings } from './module-checks.js';

interface DoctorFlags extends DoorFlags {
  readonly config?: string;
  readonly socket?: string;
}

export function doctorCommand(): Command {
  return withDoorOptions(new Command('doctor'))
    .description('find out what keeps the mesh from working, and what to do about it')
    .option('--config <file>', 'configuration file (default: config.toml in the data directory)')
    .option('--socket <path>', "the node's module socket (default: SOCKET_PATH of the environment)")
    .addHelpText(
      'after',
      '\nExit code 0 where nothing failed, 1 where something did. docs/troubleshooting.md shows ten faults.',
    )
    .action(async (flags: DoctorFlags) => {
      const findings = await examine(dataDirOf(flags), flags);
      const hasFailed = findings.some(({ status }) => status === 'fail');
      process.stdout.write(flags.json === true ? `${JSON.stringify(findings)}\n` : textOf(findings));
      process.exitCode = hasFailed ? 1 : 0;
    });
}

async function examine(dataDir: string, flags: DoctorFlags): Promise<readonly Finding[]> {
  const findings: Finding[] = [...(await packageFindings()), ...(await dataDirFindings(dataDir))];
  const config = await configOf(dataDir, flags, findings);
  const socket = flags.socket ?? process.env['SOCKET_PATH'];
  if (socket !== undefined && socket !== '') findings.push(await nodeSocket(socket));
  const facts = await factsOf(dataDir);
  if (facts !== null) {
    findings.push(
      fine('module runs', `version ${facts.version}, process ${facts.pid}, up ${facts.uptimeSeconds} s`),
      ...moduleFindings(facts),
      ...(config === null ? [] : await reachableFindings(config)),
    );
  } else if (config !== null) findings.push(...(await stoppedFindings(dataDir, config)));
  return findings;
}

async function configOf(
  dataDir: string,
  flags: DoctorFlags,
  findings: Finding[],
): Promise<MeshConfig | null> {
  const file = flags.config ?? join(dataDir, 'config.toml');
  try {
    const mayBeAbsent = flags.config === undefined;
    const { config, warnings } = await loadConfig({ file, mayBeAbsent, env: process.env });
    findings.push(...configFindings(config, warnings));
    return config;
  } catch (error) {
    findings.push(
      failure('configuration', errorText(error), 'mend the file; docs/config.md lists what is allowed'),
    );
    return null;
  }
}

/** null where no module answers: then the rest is looked at from outside. */
async function factsOf(dataDir: string): Promise<ModuleFacts | null> {
  try {
    return (await askModule(dataDir, 'doctor', {})) as ModuleFacts;
  } catch {
    return null;
  }
}

function textOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, status, found, remedy }) => [
    `${status.padEnd(4)}  ${check.padEnd(width)}  ${found}`,
    ...(remedy === '' ? [] : [`${' '.repeat(width + 8)}-> ${remedy}`]),
  ]);
  const count = (wanted: Finding['status']): number =>
    findings.filter(({ status }) => status === wanted).length;
  return `${lines.join('\n')}\n\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed\n`;
}

/** Reference texts made from the table of options: docs/config.md, and `[config_schema]` of module.toml. */
import { madeFrom } from '../core/markdown.js';
import { reloadText } from './live.js';
import { fallbackOf, type Option } from './options.js';
import { environmentName } from './read.js';
import { OPTION_NAMES, OPTIONS, type OptionName } from './schema.js';

const INTRODUCTION = `# Configuration

The module reads \`config.toml\` in its data directory. Every key may stand flat or in a table \`[mesh]\`; both mean
the same, and a key that stands in both with different values is refused. A dot in a name is a table: \`fees.base_msats\`
is \`base_msats\` in \`[fees]\` or \`[mesh.fees]\`.

A variable of the environment counts more than the file: \`MODULE_CONFIG_\` and the key in capitals, with \`_\` for a dot.
The node sets these for a module that it starts. Lists are divided by commas.

The module reads its configuration again on SIGHUP (\`kill -HUP PID\`, or \`systemctl reload\`), when the node has loaded
its own (\`ConfigLoaded\`), and by \`blvm-mesh reload\`, which prints what changed. What can change while it runs does, also
where the file does not name it any more: then its default holds. What cannot is named in the log and in the answer, and
holds from the next start on. A file with a value that is not allowed changes nothing, and the log and the answer say why.

A value that is not allowed stops the start with a message that names file, line and column, the value and what is
allowed. An unknown key is ignored with a warning. Everything has a default, so an empty file is a valid one.

\`\`\`toml
[mesh]
mode = "payment_gated"
network = "mainnet"
peers = ["198.51.100.7:8333", "[2001:db8::7]:8333"]

[mesh.fees]
base_msats = 1000
per_hop_msats = 100
\`\`\``;

/** docs/config.md */
export function configMarkdown(): string {
  const sections = OPTION_NAMES.map((name) => section(name, OPTIONS[name]));
  return `${[madeFrom('src/config/schema.ts'), INTRODUCTION, ...sections].join('\n\n')}\n`;
}

/** The table \`[config_schema]\` of module.toml: a sentence for each key. */
export function configSchemaToml(): string {
  const lines = OPTION_NAMES.map((name) => {
    const { allowed, fallbackText, doc } = OPTIONS[name];
    return `${tomlKey(name)} = ${JSON.stringify(`${doc} Allowed: ${allowed}. Default: ${fallbackText}.`)}`;
  });
  return `[config_schema]\n${lines.join('\n')}\n`;
}

/** A config.toml in which every option stands as a comment, with what it does and its default. */
export function configTemplate(): string {
  const head = [
    '# Configuration of blvm-mesh. Each option stands here as a comment, with its default.',
    '# `blvm-mesh reload`, or SIGHUP, has a running module read it again; docs/config.md says what changes then.',
  ];
  const entries = OPTION_NAMES.map((name) => {
    const option: Option<unknown> = OPTIONS[name];
    const { doc, allowed, fallback, fallbackText } = option;
    const value = typeof fallback === 'function' ? String(fallbackOf(option)) : fallbackText;
    const text = value === fallbackText ? '' : ` Default: ${fallbackText}.`;
    return [`# ${doc}`, `# Allowed: ${allowed}.${text}`, `# ${name} = ${value}`].join('\n');
  });
  return `${head.join('\n')}\n\n${entries.join('\n\n')}\n`;
}

function section(
  name: OptionName,
  option: Pick<Option<unknown>, 'doc' | 'allowed' | 'fallbackText'>,
): string {
  return [
    `## \`${name}\``,
    option.doc,
    [
      `- Allowed: ${option.allowed}`,
      `- Default: ${option.fallbackText === '' ? 'none' : `\`${option.fallbackText}\``}`,
      `- Environment: \`${environmentName(name)}\``,
      `- Changes while the module runs: ${reloadText(name)}`,
    ].join('\n'),
  ].join('\n\n');
}

function tomlKey(name: string): string {
  return name.includes('.') ? JSON.stringify(name) : name;
}

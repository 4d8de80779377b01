/** `blvm-mesh install` and `uninstall`: the module in the modules directory of a node. Exit codes: 0 done, 1 failed. */
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { install, uninstall } from './install.js';

export function installCommand(): Command {
  return new Command('install')
    .description('lay the module out in the modules directory of a node, with all that it needs')
    .argument('<modules-dir>', "the node's modules_dir, such as ~/.blvm/modules")
    .option('--upgrade', 'replace an installation that is there; its configuration and data stay')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
The node must allow the module enough memory: default_max_memory_bytes = 2147483648 in [module_resource_limits] of its
configuration.

Example:
  $ blvm-mesh install ~/.blvm/modules`,
    )
    .action(async (modulesDir: string, flags: { readonly upgrade?: true; readonly json?: true }) => {
      const bar = process.stderr.isTTY
        ? new SingleBar({
            format: 'copying: {value} packages, {name}',
            stream: process.stderr,
            hideCursor: true,
          })
        : null;
      bar?.start(0, 0, { name: '' });
      const installed = await install({
        modulesDir,
        upgrade: flags.upgrade === true,
        onPackage: (name, count) => bar?.update(count, { name }),
      }).finally(() => bar?.stop());
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify(installed)}\n`
          : `installed ${installed.version} in ${installed.directory}\n` +
              `configure it in ${installed.configPath}, then restart the node or load the module\n`,
      );
    });
}

export function uninstallCommand(): Command {
  return new Command('uninstall')
    .description('remove the module from the modules directory of a node')
    .argument('<modules-dir>', "the node's modules_dir")
    .option('--purge', 'remove its configuration and whatever else lies in its directory too')
    .action(async (modulesDir: string, flags: { readonly purge?: true }) => {
      const left = await uninstall(modulesDir, flags.purge === true);
      process.stdout.write(left.length === 0 ? 'removed\n' : `removed, but for ${left.join(', ')}\n`);
    });
}

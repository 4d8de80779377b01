/** What an installed module consists of, and how it is copied: this package and the packages that it needs to run. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MeshError } from '../../core/errors.js';

/** Of this package's own files, those that a running module needs. */
export const OWN_FILES: readonly string[] = [
  'bin',
  'dist',
  'dashboard',
  'module.toml',
  'package.json',
  'LICENSE',
];
/** Made beside dist by other scripts of a checkout. */
const NOT_NEEDED = ['bench', 'examples', '.tsbuildinfo'];

/**
 * Copies a package and everything that it depends on into an empty directory, so that nothing outside is needed.
 * @param packageDir where package.json, dist and bin are
 * @param onPackage called for each package that was copied, with how many there were so far
 * @throws MeshError INSTALL_FAILED where the package is not built, or one that it needs is not installed
 */
export async function copyModule(
  packageDir: string,
  target: string,
  onPackage: (name: string, count: number) => void,
): Promise<void> {
  const unneeded = new Set(NOT_NEEDED.map((name) => join(packageDir, 'dist', name)));
  for (const file of OWN_FILES) {
    const source = join(packageDir, file);
    if (!existsSync(source)) {
      throw new MeshError('INSTALL_FAILED', `${source} is missing: run "npm run build" in the package.`);
    }
    await cp(source, join(target, file), { recursive: true, filter: (path) => !unneeded.has(path) });
  }
  const placed = new Map<string, string>();
  const waiting = [{ from: packageDir, to: target }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const name of await needsOf(next.from)) {
      const source = locate(name, next.from);
      if (source === null) {
        throw new MeshError(
          'INSTALL_FAILED',
          `the package ${name} is not installed: run "npm ci --omit=dev".`,
        );
      }
      // At the top where the place is free or holds the same, else beside the one that needs it.
      const top = join(target, 'node_modules', name);
      const place = (placed.get(top) ?? source) === source ? top : join(next.to, 'node_modules', name);
      if (placed.has(place)) continue;
      placed.set(place, source);
      await mkdir(dirname(place), { recursive: true });
      const nested = join(source, 'node_modules');
      await cp(source, place, { recursive: true, filter: (path) => path !== nested });
      onPackage(name, placed.size);
      waiting.push({ from: source, to: place });
    }
  }
}

/** Names of the packages that a package needs, those included that it can do without and that are there. */
async function needsOf(packageDir: string): Promise<readonly string[]> {
  const text = await readFile(join(packageDir, 'package.json'), 'utf8');
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(text) as {
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  const optional = Object.keys(optionalDependencies).filter((name) => locate(name, packageDir) !== null);
  return [
    ...new Set([...Object.keys(dependencies).filter((name) => !(name in optionalDependencies)), ...optional]),
  ];
}

/** Where Node.js finds a package from within another: in the nearest node_modules upwards. */
function locate(name: string, from: string): string | null {
  for (let directory = from; ; directory = dirname(directory)) {
    const candidate = join(directory, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (directory === dirname(directory)) return null;
  }
}

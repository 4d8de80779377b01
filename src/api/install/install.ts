/**
 * Lays the module out where a node looks for it, and takes it away again.
 *
 * Rules: node-ipc.md 1 (`modules_dir/<name>/<entry_point>`, an executable file beside module.toml). A new version is
 * made beside the old one and put in its place by renaming: a start in between finds one or the other.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorText, MeshError } from '../../core/errors.js';
import { MODULE_NAME, VERSION } from '../../core/version.js';
import { configTemplate } from '../../config/markdown.js';
import { copyModule, OWN_FILES } from './copy.js';

const PACKAGE_DIR = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIG_FILE = 'config.toml';
const EXECUTABLE = 0o755;
/** What an installation consists of; anything else in its directory is the operator's, or the node's. */
const INSTALLED: readonly string[] = [...OWN_FILES, 'node_modules', MODULE_NAME];

export interface InstallOptions {
  readonly modulesDir: string;
  /** Whether an installation that is there is replaced. Its configuration and data stay. */
  readonly upgrade: boolean;
  readonly onPackage: (name: string, count: number) => void;
}

export interface Installed {
  readonly directory: string;
  readonly entryPoint: string;
  readonly configPath: string;
  readonly version: string;
}

/** @throws MeshError INSTALL_FAILED; what was there stays as it was */
export async function install({ modulesDir, upgrade, onPackage }: InstallOptions): Promise<Installed> {
  const directory = join(resolve(modulesDir), MODULE_NAME);
  const isThere = existsSync(join(directory, 'module.toml'));
  if (isThere && !upgrade) {
    throw new MeshError(
      'INSTALL_FAILED',
      `${directory} holds an installation already: give --upgrade to replace it (its configuration and data stay).`,
    );
  }
  try {
    await mkdir(resolve(modulesDir), { recursive: true });
    const fresh = await mkdtemp(join(resolve(modulesDir), `.${MODULE_NAME}-`));
    try {
      await chmod(fresh, EXECUTABLE);
      await copyModule(PACKAGE_DIR, fresh, onPackage);
      await symlink(join('bin', MODULE_NAME), join(fresh, MODULE_NAME));
      await chmod(join(fresh, 'bin', MODULE_NAME), EXECUTABLE);
      await keepConfig(directory, fresh);
      await replace(directory, fresh);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
    const configPath = join(directory, CONFIG_FILE);
    if (!existsSync(configPath)) await writeFile(configPath, configTemplate());
    return { directory, entryPoint: join(directory, MODULE_NAME), configPath, version: VERSION };
  } catch (error) {
    throw failed(`cannot install into ${directory}`, error);
  }
}

/**
 * Removes an installation. What is not part of it, such as configuration and data, stays unless `purge`.
 * @returns names of what was left
 * @throws MeshError INSTALL_FAILED
 */
export async function uninstall(modulesDir: string, purge: boolean): Promise<readonly string[]> {
  const directory = join(resolve(modulesDir), MODULE_NAME);
  if (!existsSync(join(directory, 'module.toml'))) {
    throw new MeshError('INSTALL_FAILED', `${directory} holds no installation of ${MODULE_NAME}.`);
  }
  try {
    for (const name of purge ? await readdir(directory) : INSTALLED) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
    const left = await readdir(directory);
    if (left.length === 0) await rm(directory, { recursive: true });
    return left;
  } catch (error) {
    throw failed(`cannot remove ${directory}`, error);
  }
}

/** So that there is no moment in which a module could be started without its configuration. */
async function keepConfig(directory: string, fresh: string): Promise<void> {
  const path = join(directory, CONFIG_FILE);
  if (existsSync(path)) await copyFile(path, join(fresh, CONFIG_FILE));
}

/** Puts a new installation in the place of an old one, and what is not the installation's own into the new one. */
async function replace(directory: string, fresh: string): Promise<void> {
  if (!existsSync(directory)) {
    await rename(fresh, directory);
    return;
  }
  const old = `${fresh}-old`;
  await rename(directory, old);
  try {
    await rename(fresh, directory);
  } catch (error) {
    await rename(old, directory);
    throw error;
  }
  for (const name of await readdir(old)) {
    if (!INSTALLED.includes(name) && name !== CONFIG_FILE)
      await rename(join(old, name), join(directory, name));
  }
  await rm(old, { recursive: true });
}

function failed(what: string, error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  return new MeshError(
    'INSTALL_FAILED',
    `${what}: ${errorText(error)}. Check the owner of the directory and the free space.`,
    {},
    { cause: error },
  );
}

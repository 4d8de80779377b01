/**
 * From TOML text and environment to option values: which value counts, where it stands, what is unknown.
 *
 * A key counts flat or inside `[mesh]`; in both with different values it is an error. The environment counts more
 * than the file. An unknown key warns, with the name that was probably meant.
 */
import { isDeepStrictEqual } from 'node:util';
import { closest, distance } from 'fastest-levenshtein';
import { parse, TomlError } from 'smol-toml';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { invalidValue, shown, sourceText, type ValueSource } from './invalid.js';
import { TomlPlaces } from './locate.js';
import { fallbackOf, isTable, type Option, type OptionShape } from './options.js';
import { isOptionName, OPTION_NAMES, OPTIONS, type OptionName, type OptionValues } from './schema.js';

/** The table of the documents (api.md); its keys may also stand outside it. */
const MODULE_TABLE = 'mesh';

const ENV_PREFIX = 'MODULE_CONFIG_';

/** What blvm-node passes of its own and of the manifest to every module that it starts, under the same prefix. */
const OF_THE_NODE = /^MODULE_CONFIG_(?:VERSION$|NODE_|DATABASE_)/;

/** Characters of an unknown key that are shown and compared. */
const KEY_CHARS = 64;

interface FoundValue {
  readonly raw: unknown;
  /** The place of the value, or of the item at fault inside it. */
  where(at?: string): ValueSource;
}

/** The variable of an option: the node passes MODULE_CONFIG_<KEY> (node-ipc.md, 1); a dot becomes an underscore. */
export function environmentName(name: OptionName): string {
  return ENV_PREFIX + name.replace('.', '_').toUpperCase();
}

/**
 * All options, configured or not.
 * @throws MeshError CONFIG_INVALID
 */
export function readOptions(source: {
  readonly text: string;
  readonly fileName: string;
  readonly env: NodeJS.ProcessEnv;
}): { readonly values: OptionValues; readonly warnings: readonly string[] } {
  const reader = new OptionReader(source.text, source.fileName);
  reader.readFile();
  reader.readEnvironment(source.env);
  const values: Partial<OptionValues> = {};
  for (const name of OPTION_NAMES) setOption(values, name, reader.found.get(name));
  return { values: values as OptionValues, warnings: reader.warnings() };
}

function setOption<N extends OptionName>(
  values: { [K in N]?: OptionValues[K] },
  name: N,
  found: FoundValue | undefined,
): void {
  values[name] = valueOf(name, OPTIONS[name], found);
}

function valueOf<T>(name: OptionName, option: Option<T>, found: FoundValue | undefined): T {
  if (found === undefined) return fallbackOf(option);
  const reading = option.read(found.raw);
  if (reading.ok) return reading.value;
  throw invalidValue({
    where: found.where(reading.at),
    key: name,
    found: reading.at === undefined ? found.raw : reading.found,
    allowed: option.allowed,
  });
}

class OptionReader {
  readonly found = new Map<OptionName, FoundValue>();
  readonly #text: string;
  readonly #fileName: string;
  readonly #warnings: string[] = [];
  #warningsLeftOut = 0;
  #places: TomlPlaces | null = null;

  constructor(text: string, fileName: string) {
    this.#text = text;
    this.#fileName = fileName;
  }

  warnings(): readonly string[] {
    if (this.#warningsLeftOut === 0) return this.#warnings;
    return [...this.#warnings, `${this.#warningsLeftOut} more warnings about the configuration`];
  }

  readFile(): void {
    this.#readTable(parseToml(this.#text, this.#fileName), [], '');
  }

  readEnvironment(env: NodeJS.ProcessEnv): void {
    const names = new Map(OPTION_NAMES.map((name) => [environmentName(name), name]));
    for (const [variable, text] of Object.entries(env)) {
      if (!variable.startsWith(ENV_PREFIX) || text === undefined) continue;
      const name = names.get(variable);
      const where = (): ValueSource => ({ environment: variable });
      if (name === undefined) {
        if (!OF_THE_NODE.test(variable)) this.#warnUnknown(variable, where, [...names.keys()]);
      } else this.found.set(name, { raw: valueOfText(OPTIONS[name].shape, text), where });
    }
  }

  /** Takes the options of a table; `prefix` is the part of their names that the table stands for. */
  #readTable(table: Readonly<Record<string, unknown>>, path: readonly string[], prefix: string): void {
    for (const [key, value] of Object.entries(table)) {
      const name = prefix + key;
      const valuePath = [...path, key];
      const isModuleTable = path.length === 0 && key === MODULE_TABLE;
      if (isOptionName(name)) this.#take(name, value, valuePath);
      else if (isModuleTable || OPTION_NAMES.some((known) => known.startsWith(`${name}.`))) {
        if (!isTable(value)) {
          throw invalidValue({ where: this.#where(valuePath), key: name, found: value, allowed: 'a table' });
        }
        this.#readTable(value, valuePath, isModuleTable ? '' : `${name}.`);
      } else this.#warnUnknown(name, () => this.#where(valuePath), OPTION_NAMES);
    }
  }

  #take(name: OptionName, raw: unknown, path: readonly string[]): void {
    const where = (at?: string): ValueSource => this.#where(at === undefined ? path : [...path, at]);
    const other = this.found.get(name);
    if (other !== undefined && !isDeepStrictEqual(other.raw, raw)) {
      throw invalidValue({
        where: where(),
        key: name,
        found: raw,
        allowed: `one value for a key, and ${sourceText(other.where())} says ${shown(other.raw)}`,
      });
    }
    this.found.set(name, { raw, where });
  }

  #where(path: readonly string[]): ValueSource {
    this.#places ??= new TomlPlaces(this.#text);
    return { file: this.#fileName, ...this.#places.of(path) };
  }

  #warnUnknown(name: string, where: () => ValueSource, known: readonly string[]): void {
    if (this.#warnings.length === LIMITS.CONFIG_WARNINGS) {
      this.#warningsLeftOut++;
      return;
    }
    const key = name.slice(0, KEY_CHARS);
    const nearest = closest(key, known);
    const isNear = distance(key, nearest) <= Math.max(2, key.length / 3);
    const hint = isNear ? `; did you mean ${nearest}?` : '';
    this.#warnings.push(`${sourceText(where())}: unknown key ${JSON.stringify(key)} is ignored${hint}`);
  }
}

/** Integers come as bigint, so that a float is never taken for one. */
function parseToml(text: string, fileName: string): Readonly<Record<string, unknown>> {
  try {
    return parse(text, { integersAsBigInt: true, maxDepth: LIMITS.CONFIG_DEPTH });
  } catch (cause) {
    const place =
      cause instanceof TomlError ? { line: cause.line, column: cause.column } : { line: 1, column: 1 };
    const why = (errorText(cause).split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    throw new MeshError(
      'CONFIG_INVALID',
      `${fileName}:${place.line}:${place.column}: not valid TOML: ${why}. See docs/config.md for an example.`,
      { file: fileName, ...place },
      { cause },
    );
  }
}

/** The TOML value that a variable's text stands for; a text that stands for none is refused by its option. */
function valueOfText(shape: OptionShape, text: string): unknown {
  switch (shape) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'integer':
      return /^-?\d{1,20}$/.test(text) ? BigInt(text) : text;
    case 'text':
      return text;
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
  }
}

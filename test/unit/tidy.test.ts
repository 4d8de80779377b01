// The order of the house: who may import whom, how long a file may be, and that documents say what the source says.
// Rules: architecture.md (folders), style.md, docs/architecture.md.
import { execFileSync } from 'node:child_process';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { metricsMarkdown } from '../../src/api/metrics/families.js';
import { configMarkdown, configSchemaToml } from '../../src/config/markdown.js';
import { ALL_LIMITS } from '../../src/core/limits.js';
import { eventsMarkdown } from '../../src/engine/event-table.js';
import { limitsMarkdown, reasonsMarkdown } from '../../src/core/markdown.js';
import { REASON_TABLE } from '../../src/core/reasons.js';
import { MODULE_NAME, VERSION } from '../../src/core/version.js';
import { filesBelow, importsOf, ROOT, targetOf, textOf } from '../support/imports.js';

const DOMAIN = ['packet', 'ledger', 'replay', 'payment', 'routing'];
const ADAPTERS = ['wasm', 'pool', 'node', 'transport', 'store', 'config', 'metrics'];
const BELOW_ENGINE = ['core', ...DOMAIN, ...ADAPTERS];

/** What each folder of src may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ...Object.fromEntries(DOMAIN.map((folder, index) => [folder, ['core', ...DOMAIN.slice(0, index)]])),
  ...Object.fromEntries(ADAPTERS.map((folder) => [folder, ['core', ...DOMAIN]])),
  pool: ['core', ...DOMAIN, 'wasm'],
  engine: BELOW_ENGINE,
  api: [...BELOW_ENGINE, 'engine'],
  dev: ['core', 'packet', 'node'],
  demo: [...BELOW_ENGINE, 'engine', 'api', 'dev'],
  stress: [...BELOW_ENGINE, 'engine', 'api', 'dev'],
  simulate: [...BELOW_ENGINE, 'engine', 'api', 'dev'],
  'cli.ts': [...BELOW_ENGINE, 'engine', 'api', 'dev', 'demo', 'stress', 'simulate'],
  'index.ts': [...BELOW_ENGINE, 'engine', 'api', 'dev', 'demo'],
};

/** What a worker thread may load: the judging of packets, and of the ledger the price alone. */
const WORKER_MAY_LOAD = /^src\/(?:core|packet|payment|replay|wasm|pool)\/|^src\/ledger\/fee\.ts$/;

/** Folders where time, chance and the outside come in by ports. */
const PURE = ['core', ...DOMAIN];

const SOURCES = filesBelow('src', '.ts');
const ASSEMBLY = filesBelow('assembly', '.ts');
const BENCH = filesBelow('bench', '.ts');
const EXAMPLES = filesBelow('examples', '.ts');
const TESTS = filesBelow('test', '.ts');
const SCRIPTS = filesBelow('scripts', '.mjs');

interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const PACKAGE = JSON.parse(textOf('package.json')) as PackageJson;

/** The folder of src that a file belongs to, or its own name directly below src. */
function folderOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** `pino`, `@noble/hashes`: the package of an import, or null for Node's own modules and relative ones. */
function packageOf(specifier: string): string | null {
  if (/^(?:\.|#|node:)/.test(specifier)) return null;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

describe('tidy: imports', () => {
  it('go down the list of folders only', () => {
    const wrong = SOURCES.flatMap((path) =>
      importsOf(path).flatMap(({ specifier }) => {
        const target = targetOf(path, specifier);
        if (target === null) return [];
        const from = folderOf(path);
        const to = folderOf(target);
        const isAllowed =
          target.startsWith('src/') && (from === to || MAY_IMPORT[from]?.includes(to) === true);
        return isAllowed ? [] : [`${path}: ${from} -> ${to}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('are known for every folder', () => {
    expect([...new Set(SOURCES.map(folderOf))].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
  });

  it('name files that exist, with their ending', () => {
    const all = new Set([...SOURCES, ...TESTS, ...BENCH, ...EXAMPLES]);
    const wrong = [...SOURCES, ...TESTS, ...BENCH, ...EXAMPLES].flatMap((path) =>
      importsOf(path).flatMap(({ specifier }) => {
        const target = targetOf(path, specifier);
        const isFine = target === null || all.has(target) || !target.endsWith('.ts');
        return isFine && (target === null || /\.\w+$/.test(specifier)) ? [] : [`${path}: ${specifier}`];
      }),
    );
    expect(wrong).toEqual([]);
  });

  it('of a worker thread reach only what judges packets', () => {
    const reached = new Map<string, string>([['src/pool/worker.ts', 'src/pool/worker.ts']]);
    for (const [path, way] of reached) {
      for (const { specifier, isTypeOnly } of importsOf(path)) {
        const target = targetOf(path, specifier);
        if (target !== null && !isTypeOnly && !reached.has(target))
          reached.set(target, `${way} -> ${target}`);
      }
    }
    expect([...reached].filter(([path]) => !WORKER_MAY_LOAD.test(path)).map(([, way]) => way)).toEqual([]);
    expect(reached.size).toBeGreaterThan(10);
  });

  it('of the AssemblyScript stay among themselves', () => {
    const wrong = ASSEMBLY.flatMap((path) =>
      importsOf(path)
        .filter(({ specifier }) => targetOf(path, specifier)?.startsWith('assembly/') !== true)
        .map(({ specifier }) => `${path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('of the domain bring in no disk, no network and no process', () => {
    const allowed = new Map([['src/core/random.ts', ['node:crypto']]]);
    const wrong = SOURCES.filter((path) => PURE.includes(folderOf(path))).flatMap((path) =>
      importsOf(path)
        .filter(({ specifier }) => specifier.startsWith('node:'))
        .filter(({ specifier }) => allowed.get(path)?.includes(specifier) !== true)
        .map(({ specifier }) => `${path}: ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('of packages are declared, and every declared one is used', () => {
    const used = new Map<string, string>();
    for (const path of SOURCES) {
      for (const { specifier } of importsOf(path)) {
        const name = packageOf(specifier);
        if (name !== null) used.set(name, path);
      }
    }
    const declared = Object.keys(PACKAGE.dependencies);
    expect([...used].filter(([name]) => !declared.includes(name))).toEqual([]);
    expect(declared.filter((name) => !used.has(name))).toEqual([]);
  });
});

describe('tidy: source', () => {
  it('has no file above 400 lines', () => {
    const long = [...SOURCES, ...ASSEMBLY, ...BENCH, ...EXAMPLES]
      .map((path) => `${path}: ${textOf(path).trimEnd().split('\n').length}`)
      .filter((entry) => Number(entry.split(': ')[1]) > 400);
    expect(long).toEqual([]);
  });

  it('says at the top of each file what it is for', () => {
    const silent = [...SOURCES, ...ASSEMBLY, ...BENCH, ...EXAMPLES, ...SCRIPTS].filter(
      (path) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/)/.test(textOf(path)),
    );
    expect(silent).toEqual([]);
  });

  it('leaves nothing for later and skips no test', () => {
    // Put together here, so that this file does not find itself.
    const marks = new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b`);
    const focused = /\b(?:describe|it|test|bench|suite)(?:\.\w+(?:\([^)]*\))?)*\.(?:only|skip|todo)\b/;
    const found = [...SOURCES, ...ASSEMBLY, ...BENCH, ...EXAMPLES, ...TESTS, ...SCRIPTS].flatMap((path) =>
      textOf(path)
        .split('\n')
        .flatMap((line, index) => (marks.test(line) || focused.test(line) ? [`${path}:${index + 1}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('asks no global clock and no global chance in the domain', () => {
    const allowed = ['src/core/clock.ts', 'src/core/random.ts'];
    const globals =
      /\b(?:Date\.now|new Date|Math\.random|performance\.now|setTimeout|setInterval|setImmediate)\b/;
    const found = SOURCES.filter(
      (path) => [...PURE, 'engine'].includes(folderOf(path)) && !allowed.includes(path),
    ).filter((path) => globals.test(textOf(path)));
    expect(found).toEqual([]);
  });

  it('gives every reason a code, a name and a sentence of its own', () => {
    for (const column of [0, 1, 2] as const) {
      const values = REASON_TABLE.map((row) => row[column]);
      expect(values.filter((value, index) => values.indexOf(value) !== index)).toEqual([]);
    }
    const codes = REASON_TABLE.map(([code]) => code);
    expect(codes).toEqual([...codes].sort((a, b) => a - b));
  });

  it('gives every limit a positive whole number', () => {
    expect(
      Object.entries(ALL_LIMITS).filter(([, [value]]) => !Number.isSafeInteger(value) || value <= 0),
    ).toEqual([]);
  });
});

describe('tidy: documents', () => {
  it.each([
    ['docs/limits.md', limitsMarkdown],
    ['docs/reasons.md', reasonsMarkdown],
    ['docs/config.md', configMarkdown],
    ['docs/events.md', eventsMarkdown],
    ['docs/metrics.md', metricsMarkdown],
  ])('%s says what the source says (npm run docs)', (path, made) => {
    expect(textOf(path)).toBe(made());
  });

  it('module.toml explains every option (npm run docs)', () => {
    const text = textOf('module.toml');
    expect(text.slice(text.indexOf('[config_schema]'))).toBe(configSchemaToml());
  });

  it('module.toml is a manifest with the name, the version and the capabilities of this module', () => {
    const manifest = parse(textOf('module.toml'));
    expect(manifest).toMatchObject({ name: MODULE_NAME, version: VERSION, entry_point: MODULE_NAME });
    expect(manifest['capabilities']).toEqual([
      'read_blockchain',
      'read_utxo',
      'subscribe_events',
      'register_module_api',
      'network_access',
      'publish_events',
      'call_module',
      'read_network',
      'read_mempool',
      'read_lightning',
      'read_payment',
      'report_metrics',
      'discover_modules',
      'register_rpc_endpoint',
    ]);
    const schema = Object.values(manifest['config_schema'] as Record<string, unknown>);
    expect(schema.every((sentence) => typeof sentence === 'string')).toBe(true);
  });

  it('package.json has the same name and version', () => {
    expect([PACKAGE.name, PACKAGE.version]).toEqual([MODULE_NAME, VERSION]);
  });

  it('docs/dependencies.md gives a reason for every dependency, and for no other', () => {
    const rows = [...textOf('docs/dependencies.md').matchAll(/^\| `([^`]+)` +\| (.{20,}) \|$/gm)];
    const named = rows.map(([, name]) => name).sort();
    const declared = [...Object.keys(PACKAGE.dependencies), ...Object.keys(PACKAGE.devDependencies)].sort();
    expect(named).toEqual(declared);
  });

  it('docs/architecture.md names every folder of the source', () => {
    const text = textOf('docs/architecture.md');
    const folders = new Set(SOURCES.filter((path) => path.split('/').length > 2).map(folderOf));
    expect([...folders].filter((folder) => !text.includes(`src/${folder}`))).toEqual([]);
  });
});

describe('tidy: repository', () => {
  /** Also what is not added yet, so that it is found before it is. */
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '');

  it('holds no path of one machine and no address of a registry', () => {
    const homes = /(?<![\w.~-])\/(?:home|root|Users|work)\/\w/;
    // Put together here, so that this file does not find itself.
    const registry = new RegExp(['"resol', 'ved":|registry\\.[\\w.-]+\\.\\w+'].join(''));
    const found = files
      .filter((path) => !path.startsWith('test/vectors/'))
      .flatMap((path) => {
        const lines = textOf(path).split('\n');
        return lines.flatMap((line, index) =>
          homes.test(line) || registry.test(line) ? [`${path}:${index + 1}`] : [],
        );
      });
    expect(found).toEqual([]);
  });

  it('holds no built or private files', () => {
    expect(
      files.filter((path) =>
        /(?:^|\/)(?:dist|node_modules|coverage)\/|\.(?:pem|journal|lock|log|tgz)$/.test(path),
      ),
    ).toEqual([]);
  });
});

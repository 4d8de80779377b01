// Every link of the README and the documents leads somewhere: to a file that is there, to a heading that is there, and
// every document is reached from the README. Commands and npm scripts that they name exist.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, ROOT, textOf } from '../support/imports.js';

const PAGES = ['README.md', ...filesBelow('docs', '.md')];

/** Text outside of code: what stands in code is no link. */
const prose = (text: string): string => text.replace(/^(`{3,}).*?^\1$/gms, '').replace(/`[^`\n]*`/g, 'code');

interface Link {
  readonly from: string;
  readonly target: string;
}

function linksOf(page: string): readonly Link[] {
  return [...prose(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({
    from: page,
    target,
  }));
}

const isForeign = (target: string): boolean => /^[a-z]+:/.test(target);

/** Path from the root, and what stands behind #. */
function placeOf({ from, target }: Link): { readonly path: string; readonly anchor: string } {
  const [file = '', anchor = ''] = target.split('#');
  return { path: file === '' ? from : join(dirname(from), file), anchor };
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const headings = textOf(page)
    .replace(/^(`{3,}).*?^\1$/gms, '')
    .matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, text = '']) => {
      const name = text
        .toLowerCase()
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-');
      const before = seen.get(name) ?? 0;
      seen.set(name, before + 1);
      return before === 0 ? name : `${name}-${before}`;
    }),
  );
}

describe('documents', () => {
  it('link to files that are there', () => {
    const broken = PAGES.flatMap(linksOf)
      .filter(({ target }) => !isForeign(target))
      .filter((link) => !existsSync(join(ROOT, placeOf(link).path)));
    expect(broken).toEqual([]);
  });

  it('link to headings that are there', () => {
    const broken = PAGES.flatMap(linksOf).filter((link) => {
      const { path, anchor } = placeOf(link);
      return anchor !== '' && !isForeign(link.target) && path.endsWith('.md') && !anchorsOf(path).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('are all reached from the README', () => {
    const reached = new Set<string>();
    const waiting = ['README.md'];
    for (let page = waiting.pop(); page !== undefined; page = waiting.pop()) {
      if (reached.has(page) || !page.endsWith('.md') || !existsSync(join(ROOT, page))) continue;
      reached.add(page);
      const local = linksOf(page).filter(({ target }) => !isForeign(target));
      waiting.push(...local.map((link) => placeOf(link).path));
    }
    expect(PAGES.filter((page) => !reached.has(page))).toEqual([]);
  });

  it('show pictures that are small, and no picture lies around unseen', () => {
    const shown = new Set(PAGES.flatMap(linksOf).map((link) => placeOf(link).path));
    const pictures = filesBelow('docs', '.png');
    expect(pictures.filter((path) => !shown.has(path))).toEqual([]);
    expect(pictures.filter((path) => statSync(join(ROOT, path)).size > 150_000)).toEqual([]);
  });

  it('name npm scripts that exist', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\bnpm run (?:--silent )?([a-z][a-z:-]*)/g)].map(([, name = '']) => [
        page,
        name,
      ]),
    );
    expect(named.filter(([, name = '']) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it('name commands of blvm-mesh that exist', () => {
    const help = execFileSync(process.execPath, [join(ROOT, 'dist', 'cli.js'), '--help'], {
      encoding: 'utf8',
    });
    const known = new Set([...help.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name));
    const named = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/(?:`|^\$ |npx )blvm-mesh ([a-z][a-z-]+)/gm)].map(([, name = '']) => [
        page,
        name,
      ]),
    );
    expect(named.filter(([, name = '']) => !known.has(name))).toEqual([]);
  });
});

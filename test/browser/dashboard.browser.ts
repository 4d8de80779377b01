// The operator's page in a real, headless browser, on a network with traffic: every view, light and dark, wide and on a
// phone, by keyboard, as a screen reader meets it, live. Screenshots of all views go to the folder that SCREENSHOTS names,
// after as many rounds of traffic, four a second, as ROUNDS says.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page, type SerializedAXNode } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endAll, waitFor } from '../support/mesh-process.js';
import { OperatorBed } from '../support/operator-bed.js';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env['CHROMIUM'] ?? BROWSERS.find((path) => existsSync(path));
if (executablePath === undefined)
  process.stderr.write('no Chromium is installed (or named by CHROMIUM): the page is not tested\n');

const VIEWS = ['overview', 'topology', 'routes', 'ledger', 'decentralization', 'security'] as const;
const SIZES = {
  desktop: { width: 1280, height: 720 },
  phone: { width: 390, height: 844 },
  narrow: { width: 320, height: 568 },
} as const;
/** Colours of text and what is behind it differ at least so much (WCAG 2.2, 1.4.3). */
const LEAST_CONTRAST = 4.5;
const folder = process.env['SCREENSHOTS'];
const ROUNDS = Number(process.env['ROUNDS'] ?? 24);

let network: OperatorBed;
let browser: Browser | null = null;
let page: Page;
let url: string;
const faults: string[] = [];

describe.runIf(executablePath !== undefined)('dashboard', () => {
  beforeAll(
    async () => {
      network = await OperatorBed.start();
      url = `http://127.0.0.1:${network.port}/`;
      network.go();
      await network.beBanned();
      await network.reached(Math.floor(ROUNDS / 3));
      network.flood();
      await network.reached(ROUNDS);
      await network.hasSeenAll();
      browser = await puppeteer.launch({
        executablePath: executablePath ?? '',
        args: ['--no-sandbox', '--disable-dev-shm-usage', '--no-proxy-server'],
      });
      page = await browser.newPage();
      page.on('pageerror', (error) => faults.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') faults.push(message.text());
      });
      page.on('request', (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(request.url());
      });
      await page.setViewport(SIZES.desktop);
      await page.goto(url);
      await page.waitForSelector('main dl');
    },
    180_000 + 1_000 * ROUNDS,
  );

  afterAll(async () => {
    await browser?.close();
    await endAll();
  });

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ['light', 'dark'] as const) {
      it.each(VIEWS)(`shows %s, ${scheme}, ${size}: nothing cut off, nothing pale`, async (name) => {
        await page.setViewport(viewport);
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        await view(name);
        if (name === 'routes') await choosePacket();
        const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
        expect(overflow).toBeLessThanOrEqual(0);
        expect(await page.$$eval('main h2, main dt', (found) => found.length)).toBeGreaterThan(0);
        expect(await page.evaluate(CUT_OFF)).toEqual([]);
        expect(await page.evaluate(PALE)).toEqual([]);
        if (folder !== undefined) {
          mkdirSync(folder, { recursive: true });
          const image = await page.screenshot({ fullPage: true });
          writeFileSync(join(folder, `${name}-${size}-${scheme}.png`), image);
        }
      });
    }
  }

  it('shows rates of paid, free and refused packets, as lines and as figures', async () => {
    await wide('overview');
    expect(await text()).toMatch(/latency, 99 of 100≤/);
    await page.waitForSelector('main .curve');
    expect(await page.$$eval('main .curve', (curves) => curves.length)).toBe(7);
    expect(await page.$$eval('main .labels span', (labels) => labels.length)).toBe(6);
  });

  it('draws the network: nodes that are links away, rates, one colour for one owner', async () => {
    await wide('topology');
    expect(await page.$$eval('main circle', (circles) => circles.length)).toBe(6);
    expect(await page.$$eval('main .rate', (rates) => rates.length)).toBe(2);
    const shown: unknown = await page.evaluate(
      "[...document.querySelectorAll('main circle.entity')].map((dot) => dot.getAttribute('style'))",
    );
    const hues = Array.isArray(shown) ? shown.map(String) : [];
    expect([hues.length, new Set(hues).size]).toEqual([5, 4]);
    expect(await text()).toContain('2 nodes');
  });

  it('tells what was earned, by role and by payee', async () => {
    await wide('ledger');
    expect(await text()).toContain('conservedyes');
    expect(await text()).toMatch(/destinations[\d,]+[6-9]\d(\.\d)?\u00a0%routers/);
    expect(await page.$$eval('main tbody tr', (rows) => rows.length)).toBeGreaterThanOrEqual(4);
  });

  it('tells who forwards how much, against the cap, and over time', async () => {
    await wide('decentralization');
    expect(await page.$$eval('main .bar', (bars) => bars.length)).toBeGreaterThanOrEqual(2);
    expect(await page.$$eval('main .curve', (curves) => curves.length)).toBe(2);
  });

  it('tells refusals with what to do, the flood and the ban', async () => {
    await wide('security');
    const shown = await text();
    for (const reason of ['AmountTooLow', 'ReplayedPayment', 'FreeQuotaExceeded', 'PaymentRequired'])
      expect(shown).toContain(reason);
    expect(shown).toMatch(/AmountTooLow\d+.*must pay the price/);
    expect(shown).toMatch(/counted in floods[1-9]/);
    expect(shown).toMatch(/an address is banned for a while.*host 127\.0\.0\.1/);
    expect(shown).toMatch(/bans in force1/);
    expect(shown).toMatch(/Bans in force.*127\.0\.0\.1\d+\u00a0?\s?min/);
  });

  it('tells a chosen packet hop by hop, chosen by the keyboard alone', async () => {
    await wide('routes');
    await page.focus('main button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('main ol.hops li');
    expect(await page.$$eval('main ol.hops li', (hops) => hops.length)).toBeGreaterThanOrEqual(2);
    expect(await text()).toMatch(/amount and price/);
    await page.waitForFunction("document.getElementById('said').textContent.startsWith('Packet ')");
    // It stays chosen, and the focus where it is, while figures change.
    await page.waitForFunction("document.activeElement.tagName === 'BUTTON'");
  });

  it('goes from view to view by keyboard, and takes the focus along', async () => {
    await wide('overview');
    await page.reload();
    await page.waitForSelector('main dl');
    const stops: string[] = [];
    for (let i = 0; i < 1 + VIEWS.length; i++) {
      await page.keyboard.press('Tab');
      stops.push(String(await page.evaluate('document.activeElement.textContent')));
    }
    expect(stops).toEqual([
      'Skip to the view',
      'Overview',
      'Topology',
      'Routes',
      'Ledger',
      'Decentralization',
      'Security',
    ]);
    await page.focus('nav a[href="#ledger"]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('nav a[href="#ledger"][aria-current=page]');
    await page.waitForFunction("document.activeElement.id === 'main'");
    expect(await page.title()).toBe('Ledger, blvm-mesh');
    await page.focus('.skip');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('[document.activeElement.id, location.hash]')).toEqual(['main', '#ledger']);
  });

  it('has landmarks, headings and a name for everything that a screen reader meets', async () => {
    for (const name of VIEWS) {
      await wide(name);
      const tree = await page.accessibility.snapshot({ interestingOnly: false });
      const nodes = flat(tree);
      const roles = nodes.map(({ role }) => role);
      for (const role of ['banner', 'navigation', 'main', 'status']) expect([name, ...roles]).toContain(role);
      const mustHaveNames = [
        'main',
        'navigation',
        'region',
        'image',
        'img',
        'link',
        'button',
        'heading',
        'table',
      ];
      const nameless = nodes.filter(
        ({ role, name: given }) => mustHaveNames.includes(role) && (given ?? '') === '',
      );
      expect([name, nameless]).toEqual([name, []]);
      expect(nodes.filter(({ role, level }) => role === 'heading' && level === 1)).toHaveLength(1);
      expect(await page.$$eval('main th:not([scope=col])', (heads) => heads.length)).toBe(0);
    }
  });

  it('lives: what happens is shown without loading the page again', async () => {
    await wide('security');
    await network.stop();
    const before = await network.refusals('AmountTooLow');
    network.cheat();
    await page.waitForFunction(
      `document.querySelector('main').textContent.includes('AmountTooLow${(before + 1).toLocaleString('en-US')}')`,
    );
  });

  it('loads nothing from elsewhere, and throws nothing', () => {
    expect(faults).toEqual([]);
  });

  it('says when the module is gone', async () => {
    await network.bed.at(0).module.stop();
    await page.waitForFunction("document.getElementById('state').textContent.includes('does not answer')");
  });

  it('asks for the token wherever it is not served to this machine alone', async ({ skip }) => {
    const host = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    if (host === undefined) skip('this machine has no address but its own loopback');
    const { dataDir } = network.bed.at(0);
    const file = join(dataDir, 'config.toml');
    const address = `${host ?? ''}:${network.port}`;
    writeFileSync(file, readFileSync(file, 'utf8').replace(`127.0.0.1:${network.port}`, address));
    await network.bed.restart(0);
    const there = `http://${address}/`;
    const status = await waitFor('an answer', () =>
      fetch(there).then(
        (answer) => answer.status,
        () => null,
      ),
    );
    expect(status).toBe(401);
    const away = await (browser ?? expect.fail()).newPage();
    const token = readFileSync(join(dataDir, 'http.token'), 'utf8').trim();
    await away.authenticate({ username: 'operator', password: token });
    expect((await away.goto(there))?.status()).toBe(200);
    await away.waitForSelector('main dl');
    await away.waitForFunction("document.getElementById('state').textContent.startsWith('live')");
  });
});

async function view(name: string): Promise<void> {
  await page.evaluate(`location.hash = '${name}'`);
  await page.waitForSelector(`nav a[href="#${name}"][aria-current=page]`);
}

async function wide(name: string): Promise<void> {
  await page.setViewport(SIZES.desktop);
  await view(name);
}

/** A refused packet, which shows more than one that passed. */
async function choosePacket(): Promise<void> {
  await page.evaluate(
    "(document.querySelector('tr:has(.badge.refused) button') ?? document.querySelector('main button')).click()",
  );
  await page.waitForSelector('main ol.hops li');
}

function text(): Promise<string> {
  return page.evaluate("document.querySelector('main').textContent").then(String);
}

function flat(node: SerializedAXNode | null): readonly SerializedAXNode[] {
  return node === null ? [] : [node, ...(node.children ?? []).flatMap(flat)];
}

/** Boxes of text that end outside of the page, save in what scrolls by itself. */
const CUT_OFF = `[...document.querySelectorAll('h1, h2, dt, dd, p, .chip, nav a, .key li, .hops li, .graph text')]
  .filter((element) => element.closest('.scroll, .unseen, .skip') === null && element.textContent !== '')
  .filter((element) => {
    const { left, right } = element.getBoundingClientRect();
    return left < -0.5 || right > innerWidth + 0.5 ||
      (!element.matches('.hops li') && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1);
  })
  .map((element) => element.textContent)`;

/** Text whose colour is too near to what is behind it. */
const PALE = `(() => {
  const channels = (colour) => {
    const read = colour.match(/[\\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return read.length === 4 && read[3] === 0 ? null : read;
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour !== null) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== ''))
    .filter((element) => element.closest('noscript, script') === null)
    .flatMap((element) => {
      const { color, fill } = getComputedStyle(element);
      const [one, other] = [light(channels(element.ownerSVGElement ? fill : color)), light(behind(element))];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      return contrast < ${LEAST_CONTRAST} ? [element.textContent + ' ' + contrast.toFixed(2)] : [];
    });
})()`;

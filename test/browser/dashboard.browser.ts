// The operator's page in a real, headless browser: every view, light and dark, wide and on a phone, by keyboard, live.
// Screenshots of all views go to the folder that SCREENSHOTS names.
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/packet/packet.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, freePort, waitFor } from '../support/mesh-process.js';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env['CHROMIUM'] ?? BROWSERS.find((path) => existsSync(path));
if (executablePath === undefined)
  process.stderr.write('no Chromium is installed (or named by CHROMIUM): the page is not tested\n');

const VIEWS = ['overview', 'topology', 'routes', 'ledger', 'decentralization', 'security'] as const;
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } } as const;
const folder = process.env['SCREENSHOTS'];

describe.runIf(executablePath !== undefined)('dashboard', () => {
  let bed: MeshBed;
  let browser: Browser;
  let page: Page;
  let url: string;
  const faults: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}/`;
    bed = await MeshBed.start({
      nodes: 4,
      links: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 0],
      ],
    });
    await bed.greeted();
    await bed.at(0).module.stop();
    appendFileSync(`${bed.at(0).dataDir}/config.toml`, `dashboard_addr = "127.0.0.1:${port}"\n`);
    await bed.restart(0);
    await bed.greeted();
    for (let i = 0; i < 30; i++) {
      const route = i % 3 === 0 ? [1, 0, 3] : [1, 0];
      bed.sendRaw(
        1,
        0,
        encodePacket(bed.packet(route, bed.pay(route.at(-1) ?? 0, i % 5 === 0 ? 1n : 100_000n))),
      );
    }
    await waitFor('packets', async () => (await bed.refusals(0, 'AmountTooLow')) === 6);
    browser = await puppeteer.launch({
      executablePath: executablePath ?? '',
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
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
  });

  afterAll(async () => {
    await browser.close();
    await endAll();
  });

  const view = async (name: string): Promise<void> => {
    await page.evaluate(`location.hash = '${name}'`);
    await page.waitForSelector(`nav a[href="#${name}"][aria-current=page]`);
  };
  const text = (): Promise<string> =>
    page.evaluate("document.querySelector('main').textContent").then(String);

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const scheme of ['light', 'dark'] as const) {
      it.each(VIEWS)(`shows %s, ${scheme}, ${size}, without scrolling sideways`, async (name) => {
        await page.setViewport(viewport);
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        await view(name);
        const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
        expect(overflow).toBeLessThanOrEqual(0);
        const headings = await page.$$eval('main section h2, main dt', (found) => found.length);
        expect(headings).toBeGreaterThan(0);
        if (folder !== undefined) {
          mkdirSync(folder, { recursive: true });
          await page.screenshot({ path: join(folder, `${name}-${size}-${scheme}.png`), fullPage: true });
        }
      });
    }
  }

  it('shows what happened: fees, refusals with what to do, the packets', async () => {
    await page.setViewport(SIZES.desktop);
    await view('security');
    expect(await text()).toMatch(/AmountTooLow6.*must pay the price/);
    await view('ledger');
    expect(await text()).toContain('conservedyes');
    await view('topology');
    expect(await page.$$eval('main circle', (circles) => circles.length)).toBeGreaterThanOrEqual(3);
  });

  it('tells a chosen packet hop by hop, chosen by the keyboard alone', async () => {
    await view('routes');
    await page.focus('main button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('main ol.hops li');
    expect(await page.$$eval('main ol.hops li', (hops) => hops.length)).toBeGreaterThanOrEqual(2);
    expect(await text()).toMatch(/amount and price/);
  });

  it('goes from view to view by keyboard, and takes the focus along', async () => {
    await view('overview');
    await page.focus('nav a[href="#ledger"]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('nav a[href="#ledger"][aria-current=page]');
    await page.waitForFunction("document.activeElement.id === 'main'");
    await page.evaluate('document.activeElement.blur()');
    await page.keyboard.press('Tab');
    expect(String(await page.evaluate('document.activeElement.tagName'))).toMatch(/A|BUTTON|DIV/);
  });

  it('has a name for everything that a screen reader meets', async () => {
    for (const name of VIEWS) {
      await view(name);
      const nameless = await page.evaluate(
        `[...document.querySelectorAll('main [role=img], main [role=region], main section')]
          .filter((element) => (element.getAttribute('aria-label') ?? '') === '').length`,
      );
      expect([name, nameless]).toEqual([name, 0]);
      const columns = await page.evaluate(
        `[...document.querySelectorAll('main th')].every((head) => head.scope === 'col')`,
      );
      expect(columns).toBe(true);
    }
    expect(await page.evaluate("document.getElementById('state').getAttribute('role')")).toBe('status');
  });

  it('lives: what happens is shown without loading the page again', async () => {
    await view('security');
    bed.sendRaw(1, 0, encodePacket(bed.packet([1, 0], bed.pay(0, 1n))));
    await page.waitForFunction("document.querySelector('main').textContent.includes('AmountTooLow7')");
  });

  it('loads nothing from elsewhere, and throws nothing', () => {
    expect(faults).toEqual([]);
  });

  it('says when the module is gone', async () => {
    await bed.at(0).module.stop();
    await page.waitForFunction("document.getElementById('state').textContent.includes('does not answer')");
  });
});

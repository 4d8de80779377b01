/**
 * The other process of the overhead bench: opens and closes the operator's page, and reads the metrics. Each order is
 * answered when it is done.
 */
export type ReaderOrder = 'open' | 'close' | 'scrape';

const [, , address = ''] = process.argv;
let page = new AbortController();

async function open(): Promise<void> {
  page = new AbortController();
  const { body } = await fetch(`${address}/events`, { signal: page.signal });
  if (body === null) throw new Error('the page has events');
  const events = body.getReader();
  await events.read();
  process.send?.('done');
  while (!(await events.read()).done);
}

async function scrape(): Promise<void> {
  await (await fetch(`${address}/metrics`)).text();
  process.send?.('done');
}

process.on('message', (order: ReaderOrder) => {
  if (order === 'scrape') void scrape();
  // What is aborted ends so.
  else if (order === 'open') open().catch(() => undefined);
  else {
    page.abort();
    process.send?.('done');
  }
});
process.on('disconnect', () => process.exit());

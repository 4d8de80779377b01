// What a restart must not forget: which payments were used, whatever the clock and the disk did meanwhile.
// Rules: payments.md, any proof, 8; cheat 36.
import { afterEach, describe, expect, it } from 'vitest';
import { reasonName } from '../../../src/core/reasons.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import { JOURNAL_FILE } from '../../../src/store/journal.js';
import { EngineNet } from '../../support/engine-net.js';

const DAY = 86_400;
const nets: EngineNet[] = [];

async function pairOf(): Promise<EngineNet> {
  const net = await EngineNet.start({ nodes: 2, links: [[0, 1]] });
  nets.push(net);
  return net;
}

function told(outcome: PacketOutcome): string {
  return outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind;
}

async function restarted(net: EngineNet): Promise<void> {
  await net.restart(1, 'kill');
  expect(await net.until(() => net.areNeighbours(0, 1), 5_000)).toBe(true);
}

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

describe('restart › a clock that was set back', () => {
  it.each([
    ['with a newer payment in the journal', 1],
    ['with nothing left in the journal', 0],
  ])('revives no payment that expired before, %s', async (_, newer) => {
    const net = await pairOf();
    const old = Array.from({ length: 3 }, () => net.packet([0, 1]));
    for (const packet of old) expect(told(await net.inject(0, 1, packet))).toBe('delivered');
    net.clock.skewSeconds += 3 * DAY;
    for (let n = 0; n < newer; n++)
      expect(told(await net.inject(0, 1, net.packet([0, 1])))).toBe('delivered');
    await restarted(net);
    // The old ones are gone from the journal, and from the table with it.
    expect(net.node(1).state()['keys']).toBe(newer);
    net.clock.skewSeconds -= 3 * DAY;
    await restarted(net);
    for (const packet of old) expect(told(await net.inject(0, 1, packet))).toBe('ProofExpired');
    expect((await net.node(1).audit()).conserved).toBe(true);
  });
});

describe('restart › a journal that was lost', () => {
  it('refuses payments from before the new one, for ever, and takes those from then on', async () => {
    const net = await pairOf();
    const used = net.packet([0, 1]);
    const unused = net.packet([0, 1]);
    expect(told(await net.inject(0, 1, used))).toBe('delivered');
    const { disk } = net.node(1);
    disk.files.delete(JOURNAL_FILE);
    disk.put('identity.pem', new Uint8Array(1));
    net.clock.skewSeconds += 10;
    for (let starts = 0; starts < 3; starts++) {
      await restarted(net);
      for (const packet of [used, unused]) {
        expect(told(await net.inject(0, 1, packet))).toBe('JournalTooYoung');
      }
      expect(told(await net.inject(0, 1, net.packet([0, 1])))).toBe('delivered');
      net.clock.skewSeconds += 60;
    }
  });

  it('is told from one of a first run, which takes any payment', async () => {
    const net = await pairOf();
    const proof = net.pay(1, { timestamp: net.clock.unixSeconds() - 1_000 });
    expect(told(await net.inject(0, 1, net.packet([0, 1], { paymentProof: proof })))).toBe('delivered');
    const again = net.pay(1, { timestamp: net.clock.unixSeconds() - 1_000 });
    await restarted(net);
    expect(told(await net.inject(0, 1, net.packet([0, 1], { paymentProof: again })))).toBe('delivered');
  });
});

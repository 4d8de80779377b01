// Seeded campaigns: honest and hostile traffic while links and nodes come and go. What must hold whatever happens.
import { describe, expect, it } from 'vitest';
import { Campaign, type CampaignOptions } from '../../support/engine-campaign.js';

const SEEDS = [1, 2, 3];
const STEPS = 160;
/** In order and complete, as the node's connections are; but a cut loses what is under way. */
const STREAMS = { latencyMillis: [1, 30], loss: 0, reordering: 0 } as const;
const ROUGH = { latencyMillis: [1, 60], loss: 0.05, reordering: 0.1 } as const;

async function played(options: CampaignOptions): Promise<Campaign> {
  const campaign = await Campaign.start(options);
  await campaign.run();
  const { sent, delivered, counts } = campaign;
  const { cuts, silences, kills, hostile } = counts;
  console.info(
    `seed ${options.seed}: ${sent.size} honest packets, ${delivered.length} delivered, ${hostile} hostile; ` +
      `${cuts} cuts, ${silences} silences, ${kills} kills`,
  );
  return campaign;
}

/** What holds on links of any quality. */
async function expectSafe({ net, sent, delivered, faults }: Campaign): Promise<void> {
  expect(faults).toEqual([]);
  // Nothing without a payment, nothing elsewhere, nothing twice.
  for (const { at, payload } of delivered) expect(sent.get(payload)?.to).toBe(at);
  expect(new Set(delivered.map(({ payload }) => payload)).size).toBe(delivered.length);
  for (const node of net.nodes) {
    const audit = await node.audit();
    expect(audit).toMatchObject({ conserved: true, duplicates: 0, unbalanced: 0 });
    const { totalMsat, destinationMsat, routersMsat, treasuryMsat } = node.ledger.totals();
    expect(destinationMsat + routersMsat + treasuryMsat).toBe(totalMsat);
    // One posting for each payment that is used, and none for any other.
    expect(audit.postings).toBe(node.replay.stats().activeHashes);
    expect(node.manager.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
    expect(node.discovery.stats().pending).toBe(0);
    expect(node.judge.stats().queued).toBe(0);
  }
}

describe('campaign', () => {
  it.each(SEEDS)(
    'over streams, seed %i: every honest packet arrives once or is reported failed',
    async (seed) => {
      const campaign = await played({ seed, steps: STEPS, quality: STREAMS });
      await expectSafe(campaign);
      expect(campaign.lost()).toEqual([]);
      expect(campaign.delivered.length).toBeGreaterThan(STEPS / 40);
      await campaign.net.close();
    },
  );

  it.each(SEEDS)('over links that lose and reorder, seed %i: nothing twice, nothing unpaid', async (seed) => {
    const campaign = await played({ seed: 100 + seed, steps: STEPS, quality: ROUGH });
    await expectSafe(campaign);
    await campaign.net.close();
  });
});

// A short worker-kill campaign. The long one is `blvm-mesh worker-kill-campaign --payments 100000`.
import { expect, it } from 'vitest';
import { runWorkerKillCampaign } from '../../src/stress/worker-kills.js';

it('worker-kill campaign › of 1,000 payments loses no packet and claims nothing twice', async () => {
  const result = await runWorkerKillCampaign({ payments: 1_000, seed: 4 });
  expect(result.violations).toEqual([]);
  expect(result.packets).toBe(3_000);
  expect(result.claimed + result.replayed + result.unknown).toBe(3_000);
  expect(result.claimed).toBeGreaterThan(900);
  expect(result.workersLost).toBeGreaterThan(0);
}, 60_000);

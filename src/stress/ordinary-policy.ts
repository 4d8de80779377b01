/** The policy of a node that nobody configured, on regtest: what campaigns judge by, but for what they change. */
import { judgePolicyOf, parseConfig } from '../config/config.js';
import type { NodeId } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';

/** @param self the node that judges; without `changes` nobody may be paid there */
export function ordinaryPolicy(self: NodeId, changes: Partial<JudgePolicy> = {}): JudgePolicy {
  const { config } = parseConfig({ text: 'network = "regtest"', fileName: 'config.toml', env: {} });
  return { ...judgePolicyOf(config, { self, ownPayee: null, paymentsSince: 0 }), ...changes };
}

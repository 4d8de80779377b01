// Whole Stratum V2 messages of every kind: the gate campaign makes its broken ones out of the same.
export { stratumSample } from '../../src/api/fuzz/stratum-samples.js';

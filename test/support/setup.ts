// Runs before every test file: property tests print the seed that replays a failure.
import fc from 'fast-check';

const seed = process.env['FC_SEED'];
fc.configureGlobal({ ...(seed === undefined ? {} : { seed: Number(seed) }), numRuns: 200 });

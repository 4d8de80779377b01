/**
 * Keeps the native secp256k1 addon off the worker threads. To be imported before anything that loads bolt11.
 *
 * Version 4 of the addon keeps one constructor reference for the whole process: a second thread that loads it frees
 * the first one's, and the heap is damaged (seen as aborts when workers stop). The main thread may load it, once;
 * workers get the same package's own JavaScript form, which needs no care and gives the same answers, slowly.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const ofBolt11 = createRequire(require.resolve('bolt11'));

ofBolt11('secp256k1/elliptic');
require.cache[ofBolt11.resolve('secp256k1')] = require.cache[ofBolt11.resolve('secp256k1/elliptic')];

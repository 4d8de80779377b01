// A worker that fails when a packet tells it to, else judges as the real one. Runs the built package, since worker
// threads read no TypeScript. What a packet may say, as text in place of its bytes:
//   judging   dies while it judges this packet       claiming  dies when it may have claimed its payment
//   throw     the judge throws on this packet        hang      never comes back from this packet
//   once FILE dies while it judges this packet, if the file is there, and removes it
import { existsSync, rmSync } from 'node:fs';
import { judgePacket } from '../../dist/pool/judge.js';
import { serve } from '../../dist/pool/worker.js';

const WORDS = {
  judging: () => process.exit(1),
  claiming: (_, context) => {
    context.beforeClaim();
    process.exit(1);
  },
  throw: () => {
    throw new Error('as the packet said');
  },
  hang: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  once: (file) => {
    if (!existsSync(file)) return;
    rmSync(file);
    process.exit(1);
  },
};

export default function work(task) {
  serve(task, (bytes, context, tools) => {
    const [word, file] = Buffer.from(bytes.subarray(0, 200)).toString('latin1').split(' ');
    if (Object.hasOwn(WORDS, word)) WORDS[word](file, context);
    return judgePacket(bytes, context, tools);
  });
}

// A worker that fails when a packet tells it to, else judges as the real one. Runs the built package, since worker
// threads read no TypeScript. What a packet may say, as text in place of its bytes:
//   judging   dies while it judges this packet       claiming  dies when it may have claimed its payment
//   throw     the judge throws on this packet        hang      never comes back from this packet
//   once FILE dies while it judges this packet, if the file is there, and removes it
import { existsSync, rmSync } from 'node:fs';
import { threadId, workerData } from 'node:worker_threads';
import { BatchRegion, PacketState } from '../../dist/pool/batch-memory.js';
import judgeBatch from '../../dist/pool/worker.js';

export default function failingBatch(task) {
  const region = new BatchRegion(workerData.batches, task.region);
  for (let index = 0; index < task.count; index++) {
    const [word, file] = Buffer.from(region.packet(index)).toString('latin1').split(' ');
    if (!['judging', 'claiming', 'throw', 'hang', 'once'].includes(word)) continue;
    if (word === 'once' && !existsSync(file)) continue;
    judgeBatch({ ...task, count: index });
    region.setThread(threadId);
    region.setState(index, word === 'claiming' ? PacketState.Claiming : PacketState.Judging);
    if (word === 'throw') throw new Error('as the packet said');
    if (word === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (word === 'once') rmSync(file);
    process.exit(1);
  }
  judgeBatch(task);
}

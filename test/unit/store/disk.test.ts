// The machine's disk under the journal, and the checksum's published examples.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { crc32c } from '../../../src/store/crc32c.js';
import { nodeDisk } from '../../../src/store/disk.js';
import { Journal, KEEP_FOREVER } from '../../../src/store/journal.js';

describe('CRC-32C', () => {
  it.each([
    ['nothing', new Uint8Array(0), 0],
    ['the check text', utf8('123456789'), 0xe306_9283],
    ['32 zeros (RFC 3720)', new Uint8Array(32), 0x8a91_36aa],
    ['32 ones (RFC 3720)', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    ['32 rising bytes (RFC 3720)', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd_794e],
    ['32 falling bytes (RFC 3720)', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113f_db5c],
  ])('of %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });
});

describe('journal on the real disk', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-disk-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('survives reopening and rewriting, in files for this user alone', async () => {
    const path = join(folder, 'payments.journal');
    const clock = new VirtualClock();
    const parts = { disk: nodeDisk, path, clock, log: { log: (): void => undefined }, isFirstRun: true };
    const payload = new Uint8Array(100).fill(7);
    const first = await Journal.open(parts);
    const expiresAt = clock.unixSeconds() + 5;
    await Promise.all(
      Array.from({ length: 3_000 }, (_, index) =>
        first.append([{ type: 1, keepUntil: index % 3 === 0 ? KEEP_FOREVER : expiresAt, payload }]),
      ),
    );
    await first.close();
    const large = statSync(path).size;
    clock.advance(6_000);
    const second = await Journal.open(parts);
    await second.compact(
      () => ({ take: (_, isExpired) => isExpired, carried: () => [] }),
      () => undefined,
    );
    let count = 0;
    for await (const record of second.records()) {
      expect(record).toEqual({ type: 1, keepUntil: KEEP_FOREVER, payload });
      count++;
    }
    await second.close();
    expect(count).toBe(1_000);
    const names = readdirSync(folder).sort();
    expect(names).toEqual(['payments.journal', 'payments.journal.1']);
    const sizes = names.map((name) => statSync(join(folder, name)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(large / 2);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    const third = await Journal.open(parts);
    expect(third.stats()).toMatchObject({ records: 1_000, segments: 2 });
    await third.close();
  });
});

// The examples as somebody who tries them runs them: each a process of its own that must end well.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const EXAMPLES = fileURLToPath(new URL('../../dist/examples/', import.meta.url));
const DEADLINE_MILLIS = 90_000;

async function run(name: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`${EXAMPLES}${name}.js`, ...args], {
    timeout: DEADLINE_MILLIS,
  });
  return stdout;
}

describe('examples', () => {
  it(
    'onion-v1: messages arrive over three relays, in cells of one size',
    async () => {
      const output = await run('onion', '--messages', '3');
      expect(output.match(/^message \d: node-\d( > node-\d){4}: arrived$/gm)).toHaveLength(3);
      const sizes = new Set(output.match(/\d+ B/g));
      expect(sizes.size).toBe(1);
    },
    DEADLINE_MILLIS,
  );

  it(
    'mining-pool-v1: shares are found, checked and counted; bad ones are refused',
    async () => {
      const lines = (await run('mining-pool', '--shares', '3')).trimEnd().split('\n');
      expect(lines).toHaveLength(4);
      for (const line of lines) {
        expect(line).toMatch(
          /: 3 of 3 shares accepted, the pool counts 3; refused: difficulty-too-low, duplicate-share$/,
        );
      }
    },
    DEADLINE_MILLIS,
  );

  it(
    'messaging-v1: each message is read by its receiver, and receipted',
    async () => {
      const lines = (await run('messaging', '--messages', '4')).trimEnd().split('\n');
      expect(lines.length).toBeGreaterThanOrEqual(3);
      for (const line of lines) expect(line).toMatch(/": read, receipt came$/);
    },
    DEADLINE_MILLIS,
  );
});

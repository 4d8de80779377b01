import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.js';
import { changedOptions } from '../../../src/config/live.js';

const configOf = (text: string): ReturnType<typeof parseConfig>['config'] =>
  parseConfig({ text, fileName: 'config.toml', env: {} }).config;

describe('a configuration that is read again', () => {
  it('changes what packets and payments are judged by, at once', () => {
    const { live, needRestart } = changedOptions(
      configOf(''),
      configOf('mode = "open"\nmin_confirmations = 3\n'),
    );
    expect(live).toMatchObject({ mode: 'open', minConfirmations: 3 });
    expect(needRestart).toEqual([]);
  });

  it('names what holds from the next start on', () => {
    const { live, needRestart } = changedOptions(
      configOf(''),
      configOf('workers = 3\nmax_unsettled_msats = 7\n[fees]\nper_hop_msats = 9\n'),
    );
    expect([...needRestart].sort()).toEqual(['fees', 'maxUnsettledMsat', 'workers']);
    expect(live).not.toHaveProperty('workers');
  });

  it('that is the same changes nothing', () => {
    const config = configOf('workers = 3');
    const { live, needRestart } = changedOptions(config, configOf('workers = 3'));
    expect({ ...config, ...live }).toEqual(config);
    expect(needRestart).toEqual([]);
  });
});

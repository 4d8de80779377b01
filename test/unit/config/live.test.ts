import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.js';
import { changedOptions } from '../../../src/config/live.js';

const configOf = (text: string): ReturnType<typeof parseConfig>['config'] =>
  parseConfig({ text, fileName: 'config.toml', env: {} }).config;

describe('a configuration that is read again', () => {
  it('changes what can change, at once', () => {
    const { config, changed, needRestart } = changedOptions(
      configOf(''),
      configOf('mode = "open"\nmin_confirmations = 3\nworkers = 3\n[fees]\nper_hop_msats = 9\n'),
    );
    expect(config).toMatchObject({ mode: 'open', minConfirmations: 3, workers: 3, fees: { perHopMsat: 9n } });
    expect([...changed].sort()).toEqual(['fees.per_hop_msats', 'min_confirmations', 'mode', 'workers']);
    expect(needRestart).toEqual([]);
  });

  it('names what holds from the next start on, by its name in the file, and keeps it as it was', () => {
    const before = configOf('');
    const { config, changed, needRestart } = changedOptions(
      before,
      configOf('network = "signet"\nreplay_capacity = 2048\nlisten_addr = ""\n'),
    );
    expect(needRestart).toEqual(['network', 'listen_addr', 'replay_capacity']);
    expect(changed).toEqual([]);
    expect(config).toEqual(before);
  });

  it('that is the same changes nothing', () => {
    const before = configOf('workers = 3');
    const { config, changed, needRestart } = changedOptions(before, configOf('workers = 3'));
    expect(config).toEqual(before);
    expect([...changed, ...needRestart]).toEqual([]);
  });
});

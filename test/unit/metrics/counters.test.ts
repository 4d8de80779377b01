// Counters: every refusal by its reason, bounded names, and a snapshot that is plain JSON.
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason, REASON_TABLE } from '../../../src/core/reasons.js';
import { Counters, OTHER_NAMES } from '../../../src/metrics/counters.js';

describe('counters', () => {
  it('counts each reason by its name', () => {
    const counters = new Counters();
    for (const [, name] of REASON_TABLE) counters.refuse(Reason[name]);
    counters.refuse(Reason.WrongPreimage);
    expect(Object.keys(counters.snapshot().refused)).toHaveLength(REASON_TABLE.length);
    expect(counters.refusedFor(Reason.WrongPreimage)).toBe(2);
    expect(counters.refusedFor(Reason.Truncated)).toBe(1);
    expect(new Counters().refusedFor(Reason.Truncated)).toBe(0);
  });

  it('counts names, once or several times', () => {
    const counters = new Counters();
    counters.count('packets_received');
    counters.count('packets_received', 9);
    counters.protocol('BitcoinP2P');
    expect(counters.countOf('packets_received')).toBe(10);
    expect(counters.countOf('never')).toBe(0);
    expect(counters.snapshot()).toMatchObject({
      counts: { packets_received: 10 },
      protocols: { BitcoinP2P: 1 },
    });
  });

  it('reads gauges at the moment of the snapshot', () => {
    const counters = new Counters();
    let value = 1n;
    counters.gauge('owed_msat', () => value);
    value = 2n ** 64n - 1n;
    counters.gauge('peers', () => 3);
    expect(counters.snapshot().gauges).toEqual({ owed_msat: '18446744073709551615', peers: 3 });
  });

  it('keeps a bounded number of names and loses no count', () => {
    const counters = new Counters();
    const total = 5 * LIMITS.METRIC_NAMES;
    for (let index = 0; index < total; index++) counters.protocol(`name ${index}`);
    const { protocols } = counters.snapshot();
    expect(Object.keys(protocols)).toHaveLength(LIMITS.METRIC_NAMES + 1);
    expect(Object.values(protocols).reduce((sum, count) => sum + count, 0)).toBe(total);
    expect(protocols[OTHER_NAMES]).toBe(total - LIMITS.METRIC_NAMES);
  });

  it('takes a name like __proto__ for a name, and gives JSON in alphabetical order', () => {
    const counters = new Counters();
    for (const name of ['b', '__proto__', 'a']) counters.protocol(name);
    expect(JSON.stringify(counters.snapshot().protocols)).toBe('{"__proto__":1,"a":1,"b":1}');
  });
});

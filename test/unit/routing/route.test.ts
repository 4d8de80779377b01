/** Costs and shapes of routes (routing.md, Routes). */
import { describe, expect, it } from 'vitest';
import { Reason } from '../../../src/core/reasons.js';
import { addCosts, judgeIds, UNREACHABLE } from '../../../src/routing/route.js';
import { id, ids } from '../../support/discovery-bench.js';

describe('routes > costs', () => {
  it('add up, and saturate at 2^64-1, which means unreachable', () => {
    expect(UNREACHABLE).toBe(18_446_744_073_709_551_615n);
    expect(addCosts(2n, 3n)).toBe(5n);
    expect(addCosts(UNREACHABLE - 1n, 1n)).toBe(UNREACHABLE);
    expect(addCosts(UNREACHABLE - 1n, 2n)).toBe(UNREACHABLE);
    expect(addCosts(UNREACHABLE, UNREACHABLE)).toBe(UNREACHABLE);
  });
});

describe('routes > shape', () => {
  it('has 2 to 11 distinct ids, and fewer where the caller says so', () => {
    const longest = ids(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    expect(judgeIds(ids(0), id(0), id(0))).toBe(Reason.RouteTooShort);
    expect(judgeIds(ids(0, 0), id(0), id(0))).toBe(Reason.RouteRepeatsNode);
    expect(judgeIds(longest, id(0), id(10))).toBe(Reason.Accepted);
    expect(judgeIds([...longest, id(11)], id(0), id(11), 99)).toBe(Reason.RouteTooLong);
    expect(judgeIds(ids(0, 1, 2), id(0), id(2), 2)).toBe(Reason.RouteTooLong);
    expect(judgeIds(ids(0, 1, 2), id(0), id(1))).toBe(Reason.RouteEndsMismatch);
    expect(judgeIds(ids(0, 1, 2), id(1), id(2))).toBe(Reason.RouteEndsMismatch);
  });
});

/** What one neighbour may send, by whatever way: packets, free ones of them, their bytes, and control messages. Main thread. */
import { LIMITS } from '../core/limits.js';
import { TokenBucket } from '../core/token-bucket.js';

/** As configured. */
export interface QuotaSettings {
  readonly packetsPerMinute: number;
  /** Of those, free ones: at most the share that free traffic may take (limits.ts). */
  readonly freePacketsPerMinute: number;
  readonly freeBytesPerMinute: number;
}

export class Quotas {
  readonly packets: TokenBucket;
  readonly freePackets: TokenBucket;
  readonly freeBytes: TokenBucket;
  readonly control: TokenBucket;

  constructor(settings: QuotaSettings, nowMillis: number) {
    const { packets, freePackets, freeBytes } = ratesOf(settings);
    this.packets = new TokenBucket(...packets, nowMillis);
    this.freePackets = new TokenBucket(...freePackets, nowMillis);
    this.freeBytes = new TokenBucket(...freeBytes, nowMillis);
    this.control = new TokenBucket(LIMITS.CONTROL_PER_PEER, 4 * LIMITS.CONTROL_PER_PEER, nowMillis);
  }

  /** Holds from now on. */
  configure(settings: QuotaSettings, nowMillis: number): void {
    const { packets, freePackets, freeBytes } = ratesOf(settings);
    this.packets.change(...packets, nowMillis);
    this.freePackets.change(...freePackets, nowMillis);
    this.freeBytes.change(...freeBytes, nowMillis);
  }

  /** Takes a free packet of so many bytes, where there is room among both: else nothing. */
  takeFree(bytes: number, nowMillis: number): boolean {
    const hasRoom = this.freeBytes.waitMillis(nowMillis, bytes) === 0;
    return hasRoom && this.freePackets.take(nowMillis) && this.freeBytes.take(nowMillis, bytes);
  }

  /** What was saved up is gone. */
  empty(nowMillis: number): void {
    for (const quota of [this.packets, this.freePackets, this.freeBytes, this.control])
      quota.empty(nowMillis);
  }
}

type Rate = readonly [perSecond: number, capacity: number];

function ratesOf(settings: QuotaSettings): Record<'packets' | 'freePackets' | 'freeBytes', Rate> {
  const { packetsPerMinute, freePacketsPerMinute, freeBytesPerMinute } = settings;
  const most = (packetsPerMinute * LIMITS.FREE_SHARE_PERCENT) / 100;
  return {
    packets: perMinute(packetsPerMinute, 1),
    freePackets: perMinute(Math.min(freePacketsPerMinute, most), 1),
    freeBytes: perMinute(freeBytesPerMinute, LIMITS.PACKET_BYTES),
  };
}

/** What is not used can be saved up for ten seconds, and for what comes at once in any case. */
function perMinute(tokens: number, atOnce: number): Rate {
  return [tokens / 60, Math.max(atOnce, tokens / 6)];
}

/** What a packet declares its payload to be (wire.md, Packet). */

/** In tag order. */
export const PACKET_TYPES = ['BitcoinP2P', 'CommonsGovernance', 'StratumV2', 'Paid'] as const;

/** What the sender declares the payload to be. */
export type PacketType = (typeof PACKET_TYPES)[number];

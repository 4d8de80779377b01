// Where things lie in the linear memory. There is no allocator: the areas below are static, and everything from
// INPUT on belongs to the inputs that the host lays there. One instance per thread, memory not shared.

/** Detection tables, written once by the host (src/wasm/detect-tables.ts states their form). */
export const TABLES_BYTES: i32 = 8192;
export const TABLES: usize = memory.data(TABLES_BYTES, 16);

/** The 16-byte secret of SipHash, written once by the host. */
export const SECRET: usize = memory.data(16, 16);

/** Results: a SHA-256 digest, or a SipHash of 16 bytes. */
export const RESULT: usize = memory.data(32, 16);

/**
 * This node's id, the magic of its Bitcoin network, and from 40 on the id that the link vouches for: written by the host
 * before packets are examined.
 */
export const RULES: usize = memory.data(72, 16);

/** A SHA-256 digest that is needed once more after another was made. */
export const DIGEST: usize = memory.data(32, 16);

/** What was found in the packet that was examined last (packet.ts). */
export const FOUND: usize = memory.data(112, 16);

/** Of an invoice: the longest, its groups of 5 bits, and what was signed in it, each with room for whole words. */
export const MOST_INVOICE: u32 = 7_089;
export const GROUPS: usize = memory.data(7_104, 16);
export const SIGNED: usize = memory.data(7_104, 16);

/** What the invoice says that was read last (invoice.ts). */
export const INVOICE: usize = memory.data(200, 16);

/** Last one or two blocks of SHA-256, with their padding. */
export const TAIL: usize = memory.data(128, 16);

/** Start of the input. */
export const INPUT: usize = (__heap_base + 15) & ~15;

/** Makes room for an input; false where the engine has no memory left. The host's views are stale afterwards. */
export function reserveInput(bytes: u32): bool {
  const needed: u64 = <u64>INPUT + <u64>bytes;
  const present: u64 = (<u64>memory.size()) << 16;
  if (needed <= present) return true;
  return memory.grow(<i32>((needed - present + 0xffff) >> 16)) >= 0;
}

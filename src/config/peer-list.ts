/** The peer list: a text file with one `host:port` to a line, `#` before a comment. */
import { LIMITS } from '../core/limits.js';
import { invalidValue } from './invalid.js';
import { peerAddress } from './kinds.js';

/**
 * The peers of a list, without repetitions, in its order.
 * @throws MeshError CONFIG_INVALID with the line
 */
export function parsePeerList(text: string, fileName: string): readonly string[] {
  const peers = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = line.replace(/#.*$/, '').trim();
    if (entry === '') continue;
    const peer = peers.size < LIMITS.CONFIG_LIST_ITEMS ? peerAddress.parse(entry) : null;
    if (peer === null) {
      throw invalidValue({
        where: { file: fileName, line: index + 1, column: line.indexOf(entry) + 1 },
        key: 'peer_list',
        found: entry,
        allowed: `at most ${LIMITS.CONFIG_LIST_ITEMS} peers, each ${peerAddress.allowed}`,
      });
    }
    peers.add(peer);
  }
  return [...peers];
}

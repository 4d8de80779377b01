/** The node's own Lightning key, as far as the node tells it. Main thread. */
import { toHex } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import type { NodeApi } from '../node/node-api.js';

/** 33 bytes in hex; null where the node has no wallet or does not tell. */
export async function lightningKey(nodeApi: NodeApi, log: Log): Promise<string | null> {
  try {
    const info = await nodeApi.getLightningInfo();
    return info === null ? null : toHex(info.node_pubkey);
  } catch (error) {
    log.log(
      'warn',
      'the node did not tell its Lightning key: payments to it are not accepted until it does',
      {
        error: errorText(error),
      },
    );
    return null;
  }
}

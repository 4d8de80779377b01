/** `explain` and `trace` as methods of the door: each answers a text for people and the same as JSON. */
import type { Json } from '../../core/codec.js';
import { parseNodeId } from '../../core/ids.js';
import { BadRequest, type Params } from '../../core/params.js';
import { REASON_TABLE, reasonOf, type Reason } from '../../core/reasons.js';
import type { MeshModule } from '../../engine/module.js';
import { explain, explainJson, explainText } from './explain.js';
import { trace, traceJson, traceText } from './trace.js';

/** Entries that one question brings at most. */
export const MOST_EXPLAINED = 1_000;
const DEFAULT_EXPLAINED = 10;

export async function explainMethod(mesh: MeshModule, params: Params): Promise<Json> {
  const packetId = params.optionalText('packet_id');
  if (packetId !== undefined && !/^[\da-f]{4,64}$/i.test(packetId))
    throw new BadRequest('packet_id is 4 to 64 hex digits, the first ones of a packet id');
  const last = params.count('last', DEFAULT_EXPLAINED);
  if (last < 1 || last > MOST_EXPLAINED) throw new BadRequest(`last is 1 to ${MOST_EXPLAINED}`);
  const reasonText = params.optionalText('reason');
  const peer = params.optionalText('peer');
  const found = await explain(mesh, {
    last,
    ...(packetId === undefined ? {} : { packetId }),
    ...(reasonText === undefined ? {} : { reason: reasonNamed(reasonText) }),
    ...(peer === undefined ? {} : { peer }),
  });
  return { text: explainText(found, mesh), json: explainJson(found, mesh), isFound: found.length > 0 };
}

export async function traceMethod(mesh: MeshModule, params: Params): Promise<Json> {
  const destination = parseNodeId(params.text('destination_hex'));
  if (destination === null) throw new BadRequest('destination_hex is a node id of 64 hex digits');
  const traced = await trace(mesh, destination);
  return { text: traceText(traced), json: traceJson(traced), isFound: traced.isFound };
}

/** By its name, in any case, or its code. */
function reasonNamed(text: string): Reason {
  const row = REASON_TABLE.find(
    ([code, name]) => name.toLowerCase() === text.toLowerCase() || String(code) === text,
  );
  const reason = row === undefined ? null : reasonOf(row[0]);
  if (reason === null) throw new BadRequest(`there is no reason ${text}: docs/reasons.md lists them`);
  return reason;
}

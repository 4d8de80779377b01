/**
 * `blvm-mesh send`: a packet of any protocol, free or paid by Lightning, sent by a running module.
 *
 * Rules: wire.md (send_packet); the proof says of the payment what its invoice says. Exit codes: 0 sent, 1 refused, 2
 * asked wrongly.
 */
import { Command, InvalidArgumentError } from 'commander';
import { fromHex, toHex, utf8 } from '../../core/bytes.js';
import { MeshError } from '../../core/errors.js';
import { parseNodeId, type NodeId } from '../../core/ids.js';
import { Params, recordOf } from '../../core/params.js';
import type { Clock } from '../../core/ports.js';
import { systemClock } from '../../core/clock.js';
import { encodeRequest } from '../../packet/module-api.js';
import type { LightningProof } from '../../packet/proof.js';
import { Bolt11Decoder } from '../../payment/bolt11/decode.js';
import { askModule } from './client.js';
import { dataDirOf, withDoorOptions, type DoorFlags } from './flags.js';

interface SendFlags extends DoorFlags {
  readonly protocol?: string;
  readonly invoice?: string;
  readonly preimage?: Uint8Array;
  readonly ttl?: bigint;
}

const PREIMAGE_BYTES = 32;

export function sendCommand(): Command {
  return withDoorOptions(new Command('send'))
    .description('send a packet to a node of the mesh (by a running module)')
    .argument('<destination>', 'node id, 64 hex digits', nodeIdOf)
    .argument('<payload>', 'text, or hex behind 0x', payloadOf)
    .option('--protocol <id>', 'the protocol whose handler gets it at the destination')
    .option('--invoice <bolt11>', 'the invoice that was paid for it')
    .option('--preimage <hex>', 'what the payee gave for the payment, 32 bytes in hex', preimageOf)
    .option('--ttl <seconds>', 'how long it is retried', secondsOf)
    .addHelpText(
      'after',
      `
Example:
  $ blvm-mesh send 5f1c… 'hello' --protocol messaging-v1 --invoice lnbc10u1… --preimage 00ff…`,
    )
    .action(send);
}

async function send(destination: NodeId, payload: Uint8Array, flags: SendFlags): Promise<void> {
  const request = encodeRequest('send_packet', {
    destination,
    payload,
    paymentProof: proofOf(flags, systemClock),
    protocolId: flags.protocol ?? null,
    ttl: flags.ttl ?? null,
  });
  const result = recordOf(
    await askModule(dataDirOf(flags), 'meshsendpacket', { request_hex: toHex(request) }),
    'a result',
  );
  const facts = new Params(result);
  const isSent = facts.flag('success');
  if (flags.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (isSent)
    process.stdout.write(`sent ${facts.text('packet_id')} over ${facts.count('route_length') - 1} hops\n`);
  else process.stderr.write(`${facts.text('error')}\n`);
  process.exitCode = isSent ? 0 : 1;
}

/** @throws MeshError CONFIG_INVALID where invoice and preimage are not both there, or the invoice is none */
function proofOf({ invoice, preimage }: SendFlags, clock: Clock): LightningProof | null {
  if (invoice === undefined && preimage === undefined) return null;
  if (invoice === undefined || preimage === undefined)
    throw new MeshError('CONFIG_INVALID', '--invoice and --preimage go together: both prove the payment.');
  const decoded = new Bolt11Decoder().decode(invoice);
  if (!decoded.ok) throw new MeshError('CONFIG_INVALID', `the invoice cannot be read: ${decoded.detail}.`);
  const { amountMsat, timestamp, expirySeconds } = decoded.invoice;
  return {
    kind: 'Lightning',
    invoice,
    preimage,
    amountMsats: amountMsat ?? 0n,
    timestamp: BigInt(clock.unixSeconds()),
    expiresAt: BigInt(timestamp + expirySeconds),
  };
}

function nodeIdOf(text: string): NodeId {
  const nodeId = parseNodeId(text);
  if (nodeId === null) throw new InvalidArgumentError('A node id is 64 hex digits.');
  return nodeId;
}

function payloadOf(text: string): Uint8Array {
  const payload = text.startsWith('0x') ? fromHex(text.slice(2)) : utf8(text);
  if (payload === null) throw new InvalidArgumentError('A payload behind 0x is hexadecimal.');
  return payload;
}

function preimageOf(text: string): Uint8Array {
  const preimage = fromHex(text);
  if (preimage?.length !== PREIMAGE_BYTES) throw new InvalidArgumentError('A preimage is 64 hex digits.');
  return preimage;
}

function secondsOf(text: string): bigint {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number of seconds.');
  return BigInt(text);
}

/** Good inputs that the fuzzer starts from, all written by this module's own encoders. */
import { utf8 } from '../../core/bytes.js';
import { nodeIdOf, type NodeId } from '../../core/ids.js';
import { encodeFrame } from '../../core/frame.js';
import { IpcCodec } from '../../node/ipc-codec.js';
import type { ModuleMessage } from '../../node/messages.js';
import { encodeBitcoinMessage } from '../../packet/bitcoin-wire.js';
import { discoveryPacket, helloPacket } from '../../packet/control.js';
import { encodeCovenant } from '../../packet/covenant.js';
import { encodeDiscovery, type DiscoveryMessage } from '../../packet/discovery.js';
import { encodeRequest, encodeResponse, type MethodName } from '../../packet/module-api.js';
import { encodePacket, type MeshPacket } from '../../packet/packet.js';
import { encodeProof, type PaymentProof } from '../../packet/proof.js';
import { encodeStratumMessage } from '../../packet/stratum-wire.js';

const NOW = 1_800_000_000n;

function node(byte: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(byte));
}

const route: readonly NodeId[] = [node(1), node(2), node(3)];
const hash = new Uint8Array(32).fill(0xab);

/** An official example of BOLT11: donation of any amount. */
export const INVOICE: string =
  'lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql';

/** Of a key of its own, which its n field names. */
export const INVOICE_NAMING_PAYEE: string =
  'lnbcrt100n1p45n5sqpp54km3guy6jmya3ec0c4fu88v52762qg44tluz4edmcpzdgsg8un2sdq8ve6h57sxqrrss9qrsgqsp56kdrwvun4mvxnllwz3wajtv0d4992vwl623fm3ey9m7epmc45kaqnp4qdgj0uv08w6e2cjy97sg6sj29e84722a3adezkwh0dxwcj9qg8sgxyt6tqpma0adlpvlh42pa5ktga60xx43th3xx6mxsr2273p052nh536yr56t4hnyqzksl8phr63xcph3rahl2e300uynh6xfwydmyvacqdrsdxz';

export const covenantSample: Uint8Array = encodeCovenant({
  templateHash: hash,
  transactionTemplate: {
    version: 2,
    inputs: [{ prevoutHash: hash, prevoutIndex: 1, sequence: 0xffff_fffd }],
    outputs: [
      { value: 1_000n, scriptPubkey: new Uint8Array(34).fill(0x51) },
      { value: 2_000n, scriptPubkey: new Uint8Array(22).fill(0x14) },
    ],
    lockTime: 0,
  },
  paymentRequestId: 'request-1',
  createdAt: NOW,
  signature: new Uint8Array(64).fill(7),
});

const instant = {
  kind: 'InstantSettlement',
  covenantProof: covenantSample,
  outputIndex: 1,
  amountSats: 2_000n,
  timestamp: NOW,
} as const;

/** One of each kind, and the oldest generation's. */
const proofs: readonly PaymentProof[] = [
  {
    kind: 'Lightning',
    invoice: INVOICE,
    preimage: hash,
    amountMsats: 5_000n,
    timestamp: NOW,
    expiresAt: NOW + 3_600n,
  },
  {
    kind: 'OnChainSettlement',
    paymentRequestId: 'request-1',
    txHash: hash,
    amountSats: 5n,
    timestamp: NOW,
  },
  { ...instant, merkleProof: [hash, hash] },
  { ...instant, merkleProof: null },
];

export const proofSamples: readonly Uint8Array[] = proofs.map(encodeProof);

const messages: readonly DiscoveryMessage[] = [
  { kind: 'RouteRequest', destination: node(3), source: node(1), requestId: 77n, maxHops: 4 },
  { kind: 'RouteResponse', destination: node(3), source: node(1), requestId: 77n, route, cost: 12n },
  {
    kind: 'RouteAdvertisement',
    routes: [
      { destination: node(3), nextHop: node(2), cost: 7n, hopCount: 2 },
      { destination: node(4), nextHop: node(2), cost: 9n, hopCount: 3 },
    ],
    source: node(1),
  },
];

export const discoverySamples: readonly Uint8Array[] = messages.map(encodeDiscovery);

const stratumShares = encodeStratumMessage(0x1b, true, new Uint8Array(25));
const stratumSetup = encodeStratumMessage(0, false, new Uint8Array(16));

export const freeTrafficSamples: readonly Uint8Array[] = [
  encodeBitcoinMessage('mainnet', 'verack', new Uint8Array(0)),
  encodeBitcoinMessage('regtest', 'ping', utf8('12345678')),
  encodeStratumMessage(0x54, false, Uint8Array.of(0, 0, 0, 0, 1, 0, ...hash)),
  encodeStratumMessage(0x74, false, Uint8Array.of(...new Uint8Array(8), 1, 0, 9, 1, 0, 2, 0, 0, 8, 8)),
  stratumShares,
  stratumSetup,
];

function packet(changes: Partial<MeshPacket>): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: node(1),
    destination: node(3),
    route,
    sequence: 9n,
    timestamp: NOW,
    paymentProof: null,
    payload: utf8('a payload'),
    metadata: { protocol: 'messaging-v1', fields: new Map([['key', 'value']]) },
    ...changes,
  };
}

const control = { self: node(1), sequence: 1n, nowSeconds: Number(NOW) };

export const packetSamples: readonly Uint8Array[] = [
  ...proofs.map((paymentProof) => encodePacket(packet({ paymentProof }))),
  encodePacket(packet({ paymentProof: proofs[3] ?? null }), { magic: false }),
  encodePacket(packet({ packetType: 'StratumV2', payload: stratumShares, metadata: null })),
  encodePacket(helloPacket(control, null)),
  ...messages.map((message) => encodePacket(discoveryPacket(control, node(2), message))),
];

const meshStats = {
  enabled: true,
  mode: 'PaymentGated',
  routing: { totalRoutes: 1n, directPeers: 2n, cachedRoutes: 3n, routeExpirySeconds: 3_600n },
  replay: { activeHashes: 4n, trackedPeers: 5n, expirySeconds: 86_400n },
} as const;

/** A request or response, and the method that it belongs to. */
export interface ApiSample {
  readonly method: MethodName;
  readonly isRequest: boolean;
  readonly bytes: Uint8Array;
}

const request = (method: MethodName, bytes: Uint8Array): ApiSample => ({ method, isRequest: true, bytes });
const response = (method: MethodName, bytes: Uint8Array): ApiSample => ({ method, isRequest: false, bytes });

export const apiSamples: readonly ApiSample[] = [
  ...proofs.map((paymentProof) =>
    request(
      'send_packet',
      encodeRequest('send_packet', {
        destination: node(3),
        payload: utf8('a payload'),
        paymentProof,
        protocolId: 'onion-v1',
        ttl: 60n,
      }),
    ),
  ),
  request(
    'discover_route',
    encodeRequest('discover_route', { destination: node(3), maxHops: 4, timeoutSeconds: 9n }),
  ),
  request('get_node_id', encodeRequest('get_node_id', null)),
  request('handle_mesh_packet', encodeRequest('handle_mesh_packet', [utf8('packet'), '10.0.0.9:8333'])),
  request(
    'poll_local_deliveries',
    encodeRequest('poll_local_deliveries', { protocolId: 'onion-v1', maxPackets: 16n }),
  ),
  response(
    'send_packet',
    encodeResponse('send_packet', {
      success: false,
      packetId: hash,
      routeLength: 3n,
      estimatedCostSats: 2n,
      error: 'no route',
    }),
  ),
  response(
    'discover_route',
    encodeResponse('discover_route', { route, routeCostSats: 3n, discoveryTimeMs: 20n }),
  ),
  response('get_network_stats', encodeResponse('get_network_stats', meshStats)),
  response(
    'get_peer_list',
    encodeResponse('get_peer_list', [{ nodeIdHex: 'ab'.repeat(32), address: '10.0.0.9:8333' }]),
  ),
  response(
    'poll_local_deliveries',
    encodeResponse('poll_local_deliveries', [
      { protocolId: 'onion-v1', payload: utf8('a payload'), source: node(1) },
    ]),
  ),
];

const nodeMessages: readonly ModuleMessage[] = [
  {
    name: 'Request',
    value: {
      correlation_id: 7n,
      request_type: 'SendMeshPacketToPeer',
      payload: {
        name: 'SendMeshPacketToPeer',
        value: { peer_addr: '10.0.0.9:8333', packet_data: utf8('MESH') },
      },
    },
  },
  {
    name: 'Response',
    value: {
      correlation_id: 7n,
      success: true,
      payload: { name: 'NetworkPeers', value: [] },
      error: null,
    },
  },
  {
    name: 'Event',
    value: {
      event_type: 'MeshPacketReceived',
      payload: {
        name: 'MeshPacketReceived',
        value: { packet_data: utf8('MESH and more'), peer_addr: '10.0.0.9:8333' },
      },
    },
  },
  {
    name: 'Event',
    value: {
      event_type: 'PeerConnected',
      payload: {
        name: 'PeerConnected',
        value: {
          peer_addr: '10.0.0.9:8333',
          transport_type: 'Tcp',
          services: 1n,
          version: 70_016,
          peer_node_id: hash,
        },
      },
    },
  },
  {
    name: 'Invocation',
    value: {
      correlation_id: 8n,
      invocation_type: {
        name: 'ModuleApi',
        value: { method: 'send_packet', params: hash, caller_module_id: 'onion' },
      },
    },
  },
  {
    name: 'InvocationResult',
    value: {
      correlation_id: 8n,
      success: true,
      payload: { name: 'Cli', value: { stdout: 'ok', stderr: '', exit_code: 0 } },
      error: null,
    },
  },
];

/** Bodies of frames, as the newest node writes them. */
export const ipcSamples: readonly Uint8Array[] = nodeMessages.map((message) =>
  IpcCodec.newest().encodeMessage(message),
);

export const frameSamples: readonly Uint8Array[] = [
  ...ipcSamples.map(encodeFrame),
  new Uint8Array(ipcSamples.flatMap((body) => [...encodeFrame(body)])),
];

export const configSamples: readonly Uint8Array[] = [
  utf8('[mesh]\nenabled = true\nmode = "payment_gated"\nlisten_addr = "0.0.0.0:8334"\n'),
  utf8('mode = "open"\npeers = ["10.0.0.9:8333", "[2001:db8::1]:8334"]\nworkers = 2\n# a comment\n'),
];

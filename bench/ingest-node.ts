/**
 * The node's end of the ingest bench, in a process of its own: takes handshakes, and sends packet events when told how
 * many. Whoever connects without a handshake gets the same bytes.
 */
import { createServer, type Socket } from 'node:net';
import { IpcCodec } from '#dist/node/ipc-codec.js';
import { FrameReader } from '#dist/core/frame.js';

/** What it is told: to send so many events to whoever connected last. It says when it listens, and who connects. */
export interface FloodOrder {
  readonly events: number;
}

const NODE_VERSION = '0.1.83';
const PEERS = 16;
/** As much as goes into one write. */
const CHUNK_EVENTS = 256;

const codec = IpcCodec.forVersion(NODE_VERSION);

/** One frame of a packet event; all of one packet length have one length. */
export function packetFrame(number: number, packetBytes: number): Uint8Array {
  const value = {
    packet_data: new Uint8Array(packetBytes).fill(number),
    peer_addr: `10.0.0.${10 + (number % PEERS)}:8333`,
  };
  return codec.encodeFrame({
    name: 'Event',
    value: { event_type: 'MeshPacketReceived', payload: { name: 'MeshPacketReceived', value } },
  });
}

/** So many frames, one behind another. */
export function packetFrames(count: number, packetBytes: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, number) => packetFrame(number, packetBytes)));
}

function serve(socketPath: string, packetBytes: number): void {
  const chunk = packetFrames(CHUNK_EVENTS, packetBytes);
  const chunkOf = (events: number): Uint8Array =>
    events >= CHUNK_EVENTS ? chunk : packetFrames(events, packetBytes);
  let last: Socket | null = null;
  const server = createServer((socket) => {
    last = socket;
    process.send?.('connected');
    const reader = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      reader.push(bytes, (body) => {
        const decoded = codec.decodeMessage(body);
        if (!decoded.ok || decoded.value.name !== 'Request') return true;
        const { correlation_id } = decoded.value.value;
        const payload = { name: 'HandshakeAck', value: { node_version: NODE_VERSION } } as const;
        socket.write(
          codec.encodeFrame({
            name: 'Response',
            value: { correlation_id, success: true, payload, error: null },
          }),
        );
        return true;
      });
    });
  });
  process.on('message', ({ events }: FloodOrder) => {
    let left = events;
    const pump = (): void => {
      while (left > 0) {
        const count = Math.min(left, CHUNK_EVENTS);
        left -= count;
        if (last?.write(chunkOf(count)) === false) {
          last.once('drain', pump);
          return;
        }
      }
    };
    pump();
  });
  process.on('disconnect', () => process.exit());
  server.listen(socketPath, () => process.send?.('listening'));
}

const [, , socketPath, packetBytes] = process.argv;
if (process.send !== undefined && socketPath !== undefined) serve(socketPath, Number(packetBytes));

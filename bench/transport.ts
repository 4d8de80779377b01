/**
 * The direct transport beside node:tls, between processes of this machine: frames, what a node in the middle passes on,
 * connections that come, peers that are idle, and how long a hop takes. Every process runs through the whole theme.
 *
 * Targets are ratios to plain node:tls between two processes, with frames of 1,400 B in blocks of 64 kB. Frames count
 * with the four bytes of their length. A packet that is passed on has 203 B beside its message, so that "200 B" is the
 * message: the packet around it has 403 B, and what is compared are all its bytes.
 */
import { nodeKey, type NodeKey } from '#dist/core/ids.js';
import { Bed } from './bed.js';
import { Child } from './child.js';
import { EngineProcess } from './engine-process.js';
import { asPaid } from './paid.js';
import { paidSamples } from './samples.js';
import { atMost, ratioAtLeast, type Reading, type Target } from './stats.js';
import type { Runner, Settings } from './suite.js';
import type { EndOperations } from './transport-end.js';
import { idlePeers } from './transport-idle.js';
import { benchIdentity } from './transport-link.js';

const LARGE_BYTES = 1_400;
const SMALL_BYTES = 403;

/** Before a clock runs, of each flow in each round: until the windows of TCP have grown. */
const WARM_MILLIS = 300;
const LOOK_MILLIS = 400;
const QUICK_LOOK_MILLIS = 100;
/** Once, so that all processes run compiled code. */
const START_MILLIS = 1_000;
const QUICK_START_MILLIS = 200;

const CONNECTIONS = 200;
const QUICK_CONNECTIONS = 20;
/** Of each kind, before they count: who runs for long runs compiled code, of node:tls as of this module. */
const WARM_CONNECTIONS = 2_000;
const PAID_PACKETS = 4_000;
const QUICK_PAID_PACKETS = 1_000;
const PAID_PAYLOAD_BYTES = 200;
const LATENCY_PACKETS_PER_SECOND = 1_000;
const LATENCY_PACKETS = 1_000;
const QUICK_LATENCY_PACKETS = 200;
/** Before they count: a thread that compiles takes one of two cores for milliseconds, and all others wait. */
const LATENCY_WARM_PACKETS = 3_000;

const [SOURCE, SINK, RELAY] = [1, 2, 3];

const REFERENCE = 'node:tls, two processes';
const RELAY_LARGE = 'node:tls relay, 1,400 B';
const RELAY_SMALL = 'node:tls relay, 200 B';

/** All processes of the theme, connected: source, sink, a relay and a mesh node. */
class Stage {
  readonly source = new Child<EndOperations>('transport-end');
  readonly sink = new Child<EndOperations>('transport-end');
  readonly relay = new Child<EndOperations>('transport-end');
  readonly engine: EngineProcess;
  /** Links of the source. */
  plain = 0;
  relayed = 0;
  meshed = 0;
  /** Link of the sink to the mesh node. */
  sinkLink = 0;

  private constructor(engine: EngineProcess) {
    this.engine = engine;
  }

  static async open(workers: number): Promise<Stage> {
    const stage = new Stage(await EngineProcess.start(workers));
    const { source, sink, relay, engine } = stage;
    const sinkPort = await sink.call('serve', { number: SINK });
    const relayPort = await relay.call('serveRelay', { number: RELAY, to: sinkPort });
    stage.plain = await source.call('dial', { number: SOURCE, port: sinkPort, kind: 'plain' });
    stage.relayed = await source.call('dial', { number: SOURCE, port: relayPort, kind: 'plain' });
    stage.meshed = await source.call('dial', { number: SOURCE, port: engine.port, kind: 'node' });
    stage.sinkLink = await sink.call('dial', { number: SINK, port: engine.port, kind: 'payee' });
    const port = await sink.call('serveSessions', { number: SINK });
    await source.call('dialSession', { number: SOURCE, port });
    return stage;
  }

  /** Of packets from the source over the mesh node to the sink. */
  get route(): readonly NodeKey[] {
    return [nodeKey(benchIdentity(SOURCE).nodeId), this.engine.id, nodeKey(benchIdentity(SINK).nodeId)];
  }

  async close(): Promise<void> {
    await Promise.all([this.source, this.sink, this.relay, this.engine.child].map((child) => child.close()));
  }
}

/** One way of the bytes from source to sink. */
interface Way {
  readonly name: string;
  readonly begin: () => Promise<void>;
  readonly reference?: string;
  readonly target?: Target;
  /** Another reference, under a name of its own. */
  readonly also?: { readonly name: string; readonly reference: string; readonly target?: Target };
}

function waysOf(stage: Stage): readonly Way[] {
  const { source, plain, relayed, meshed, route } = stage;
  const overTls = (link: number, bytes: number) => (): Promise<void> =>
    source.call('send', { link, bytes, route: null });
  const overMesh = (bytes: number) => (): Promise<void> =>
    source.call('send', { link: meshed, bytes, route });
  return [
    { name: REFERENCE, begin: overTls(plain, LARGE_BYTES) },
    {
      name: 'two processes, our framing and hello',
      begin: () => source.call('sendBySession', { bytes: LARGE_BYTES }),
      reference: REFERENCE,
      target: ratioAtLeast(0.7),
    },
    { name: RELAY_LARGE, begin: overTls(relayed, LARGE_BYTES), reference: REFERENCE },
    {
      name: 'forwarded by a mesh node, 1,400 B',
      begin: overMesh(LARGE_BYTES),
      reference: REFERENCE,
      target: ratioAtLeast(0.3),
      also: { name: 'the same, to the relay', reference: RELAY_LARGE, target: ratioAtLeast(0.8) },
    },
    { name: RELAY_SMALL, begin: overTls(relayed, SMALL_BYTES), reference: REFERENCE },
    {
      name: 'forwarded by a mesh node, 200 B',
      begin: overMesh(SMALL_BYTES),
      reference: REFERENCE,
      target: ratioAtLeast(0.2),
      also: { name: 'the same, to the relay, 200 B', reference: RELAY_SMALL },
    },
  ];
}

/** Megabytes a second of each way in turns, and what the mesh node's main thread spends on a packet. */
async function flows(stage: Stage, { rounds, isQuick }: Settings): Promise<readonly Reading[]> {
  const ways = waysOf(stage);
  const samples = ways.map((): number[] => []);
  const cpu = ways.map((): { process: number; mainThread: number }[] => []);
  const millis = isQuick ? QUICK_LOOK_MILLIS : LOOK_MILLIS;
  const once = async (
    way: Way,
    warm: number,
  ): Promise<readonly [number, { process: number; mainThread: number }]> => {
    await way.begin();
    await stage.sink.call('look', { millis: warm });
    const [perSecond, spent] = await Promise.all([
      stage.sink.call('look', { millis }),
      stage.engine.child.call('look', { millis }),
    ]);
    await stage.source.call('stop');
    // What is still under way belongs to nobody's sample.
    await stage.sink.call('look', { millis: 50 });
    return [perSecond, spent];
  };
  for (const way of ways) await once(way, isQuick ? QUICK_START_MILLIS : START_MILLIS);
  for (let round = 0; round < rounds; round++) {
    for (const [index, way] of ways.entries()) {
      const [perSecond, spent] = await once(way, WARM_MILLIS);
      samples[index]?.push(perSecond / 1e6);
      cpu[index]?.push({ process: spent.process, mainThread: spent.mainThread });
    }
  }
  return ways.flatMap(({ name, reference, target, also }, index): Reading[] => {
    const own = samples[index] ?? [];
    const unit = 'MB/s';
    return [
      {
        name,
        unit,
        samples: own,
        ...(reference === undefined ? {} : { reference }),
        ...(target === undefined ? {} : { target }),
      },
      ...(also === undefined ? [] : [{ unit, samples: own, ...also }]),
      ...(also === undefined
        ? []
        : (cpu[index] ?? []).length === 0
          ? []
          : [perPacket(name, 'process'), perPacket(name, 'mainThread')].map((make) =>
              make(own, cpu[index] ?? []),
            )),
    ];
  });
}

/** Microseconds of the mesh node for each packet. */
function perPacket(
  name: string,
  part: 'process' | 'mainThread',
): (mega: readonly number[], cpu: readonly { process: number; mainThread: number }[]) => Reading {
  const bytes = 4 + (name.includes('1,400') ? LARGE_BYTES : SMALL_BYTES);
  return (mega, cpu) => ({
    name: `${name}: ${part === 'process' ? 'the node' : 'its main thread'}, each`,
    unit: 'us CPU',
    samples: mega.map((rate, index) => (cpu[index]?.[part] ?? NaN) / ((rate * 1e6) / bytes)),
  });
}

/**
 * Connections a second of the processor time of whoever takes them: of node:tls as it comes, and set as this module sets it
 * (no session tickets, the shorter key); and of peers that say hello, of whom the node knows the certificate or sees it for
 * the first time.
 */
async function accepting(stage: Stage, { rounds, isQuick }: Settings): Promise<readonly Reading[]> {
  const { source, relay, engine } = stage;
  const count = isQuick ? QUICK_CONNECTIONS : CONNECTIONS;
  const servedBy = (kind: 'default' | 'plain') =>
    relay.call('serve', { number: RELAY, isAsItComes: kind === 'default' });
  const ports = { default: await servedBy('default'), plain: await servedBy('plain') };
  const plainly = async (kind: 'default' | 'plain', times: number): Promise<number> => {
    const before = await relay.call('cpu');
    await source.call('comeAndGo', { port: ports[kind], kind, count: times });
    return (times * 1e6) / ((await relay.call('cpu')) - before);
  };
  const joining = async (kind: 'node' | 'stranger', times: number): Promise<number> => {
    const [joined, before] = [await engine.child.call('joined'), await engine.child.call('cpu')];
    await source.call('comeAndGo', { port: engine.port, kind, count: times });
    const after = await engine.child.call('cpu');
    const taken = (await engine.child.call('joined')) - joined;
    if (taken < times) throw new Error(`${times} came, and ${taken} were taken in`);
    return (times * 1e6) / (after - before);
  };
  const reference = 'connections of node:tls, both certificates';
  const target = ratioAtLeast(0.8);
  const kinds: readonly (Omit<Reading, 'unit' | 'samples'> & {
    readonly take: (times: number) => Promise<number>;
  })[] = [
    { name: reference, take: (times) => plainly('default', times) },
    {
      name: 'connections of node:tls, set as by this module',
      take: (times) => plainly('plain', times),
      reference,
    },
    {
      name: 'connections of peers that come again, hello and all',
      take: (times) => joining('node', times),
      reference,
      target,
    },
    {
      name: 'connections of peers that are new, hello and all',
      take: (times) => joining('stranger', times),
      reference,
      target,
    },
  ];
  for (const { take } of kinds) await take(isQuick ? QUICK_CONNECTIONS : WARM_CONNECTIONS);
  const samples = kinds.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { take }] of kinds.entries()) samples[index]?.push(await take(count));
  }
  return kinds.map(({ take: _, ...reading }, index) => ({
    ...reading,
    unit: 'a CPU second',
    samples: samples[index] ?? [],
  }));
}

/** Paid packets by unknown invoices, from source to sink, beside the pool and the journal alone. */
async function paid(
  stage: Stage,
  { rounds, isQuick }: Settings,
  workers: number,
): Promise<readonly Reading[]> {
  const { source, sink, meshed, sinkLink, route } = stage;
  const count = isQuick ? QUICK_PAID_PACKETS : PAID_PACKETS;
  const alone: number[] = [];
  const whole: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const bytes = await source.call('preparePaid', { route, count, payloadBytes: PAID_PAYLOAD_BYTES });
    const arriving = sink.call('awaitPackets', { link: sinkLink, bytes, count });
    await source.call('sendPaid', { link: meshed });
    const perSecond = await arriving;
    const bed = await Bed.open({ workers, isDurable: true });
    const samples = asPaid(paidSamples(2 * count, PAID_PAYLOAD_BYTES));
    await bed.rate(samples.slice(0, count));
    const rate = await bed.rate(samples.slice(count));
    await bed.close();
    if (round < 0) continue;
    whole.push(perSecond);
    alone.push(rate.perSecond);
  }
  const reference = 'paid packets, the engine alone';
  return [
    { name: reference, unit: 'packets/s', samples: alone },
    { name: 'paid packets, over two links', unit: 'packets/s', samples: whole, reference },
  ];
}

/** What one more hop takes at 1,000 packets a second, beside one connection alone. */
async function hopLatency(stage: Stage, { rounds, isQuick }: Settings): Promise<readonly Reading[]> {
  const { source, engine } = stage;
  const ownPort = await source.call('serve', { number: SOURCE });
  const alone = await source.call('dial', { number: SOURCE, port: ownPort, kind: 'plain' });
  // The way back: the source is a second node too.
  const back = await source.call('dial', { number: RELAY, port: engine.port, kind: 'node' });
  const route = [nodeKey(benchIdentity(SOURCE).nodeId), engine.id, nodeKey(benchIdentity(RELAY).nodeId)];
  const count = isQuick ? QUICK_LATENCY_PACKETS : LATENCY_PACKETS;
  const order = { route, bytes: SMALL_BYTES, perSecond: LATENCY_PACKETS_PER_SECOND, count };
  if (!isQuick) {
    await source.call('latency', { ...order, out: stage.meshed, back, count: LATENCY_WARM_PACKETS });
  }
  const direct: { p50: number; p99: number }[] = [];
  const hops: { p50: number; p99: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    direct.push(await source.call('latency', { ...order, out: alone, back: null }));
    hops.push(await source.call('latency', { ...order, out: stage.meshed, back }));
  }
  const reading = (part: 'p50' | 'p99', most: number): readonly Reading[] => [
    { name: `one connection, ${part}`, unit: 'ms', samples: direct.map((one) => one[part]) },
    {
      name: `added by a hop, ${part}`,
      unit: 'ms',
      samples: hops.map((one, index) => one[part] - (direct[index]?.[part] ?? NaN)),
      target: atMost(most),
    },
  ];
  return [...reading('p50', 0.4), ...reading('p99', 2)];
}

export function transport(): readonly Runner[] {
  let open: Promise<Stage> | null = null;
  const onStage =
    (measure: (stage: Stage, settings: Settings) => Promise<readonly Reading[]>) =>
    async (settings: Settings): Promise<readonly Reading[]> => {
      open ??= Stage.open(1);
      return measure(await open, settings);
    };
  return [
    { name: 'transport', measure: onStage(flows) },
    { name: 'transport, accepting', measure: onStage(accepting) },
    { name: 'transport, latency', measure: onStage(hopLatency) },
    { name: 'transport, paid', measure: onStage((stage, settings) => paid(stage, settings, 1)) },
    {
      name: 'transport, memory',
      measure: onStage(async (stage, settings) => {
        try {
          return await idlePeers(settings, stage.source);
        } finally {
          await stage.close();
        }
      }),
    },
  ];
}

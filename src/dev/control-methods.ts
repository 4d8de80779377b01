/** The methods of the control socket (control-protocol.ts), on a network. */
import { toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import type {
  ControlMethod,
  ControlMethods,
  ControlResult,
  InvoiceInfo,
  LinkInfo,
  NodeInfo,
} from './control-protocol.js';
import { eventFromJson } from './event-json.js';
import type { LinkQuality } from './link.js';
import type { Readiness } from './modules.js';
import type { DevNetwork } from './network.js';
import type { DevNode, DevNodeStats } from './node.js';
import type { Params } from '../core/params.js';
import { BadRequest } from '../core/params.js';
import type { DevInvoice } from './wallet.js';

/** Links slower than this help no test. */
const MAX_LATENCY_MILLIS = 600_000;
/** Copies of the same bytes that one sendFrom sends. */
const MAX_COPIES = 1_000_000;
const WAIT_MILLIS = 30_000;

type Methods = {
  readonly [M in ControlMethod]: (params: Params) => ControlResult<M> | Promise<ControlResult<M>>;
};

/** @param shutdown ends the network; called after the answer was written */
export function controlMethods(network: DevNetwork, shutdown: () => void): Methods {
  const node = (params: Params): DevNode => network.node(params.text('node'));
  return {
    nodes: () => ({ nodes: network.nodes.map(nodeInfo), height: network.chain.height }),
    createInvoice: (params) => {
      const { wallet } = node(params);
      const invoice = wallet.createInvoice({
        amountMsat: params.optionalAmount('amountMsat') ?? null,
        ...present({
          description: params.optionalText('description'),
          descriptionHash: params.has('descriptionHash') ? params.hex('descriptionHash') : undefined,
          expirySeconds: params.optionalCount('expirySeconds'),
          timestamp: params.optionalCount('timestamp'),
        }),
      });
      return invoiceInfo(invoice, wallet.payee);
    },
    pay: (params) => {
      const payment = network.pay(params.text('invoice'), params.optionalAmount('amountMsat'));
      return {
        preimage: toHex(payment.preimage),
        paymentHash: toHex(payment.paymentHash),
        amountMsat: payment.amountMsat.toString(),
        payee: payment.payee,
      };
    },
    requestOnChain: (params) => {
      const request = node(params).payments.createOnChainRequest(params.amount('amountSats'));
      return { paymentId: request.paymentId, script: toHex(request.script) };
    },
    payOnChain: (params) => ({ txid: toHex(node(params).payments.payOnChain(params.text('paymentId'))) }),
    createOutputs: (params) => {
      const outputs = params.list('outputs').map((output) => ({
        valueSats: output.amount('valueSats'),
        script: output.hex('script'),
      }));
      return { txid: toHex(network.chain.createTransaction(outputs)) };
    },
    connect: (params) => {
      network.connect(params.text('a'), params.text('b'), quality(params));
      return {};
    },
    disconnect: (params) => {
      network.disconnect(params.text('a'), params.text('b'), params.optionalText('reason'));
      return {};
    },
    setLink: (params) => network.setLink(params.text('a'), params.text('b'), quality(params)),
    mine: (params) => {
      network.chain.mine(params.count('blocks', 1));
      return tip(network);
    },
    reorg: (params) => {
      network.chain.reorg(params.count('depth'), { dropTransactions: params.flag('dropTransactions') });
      return tip(network);
    },
    sendFrom: (params) => {
      const from = node(params);
      const to = memberAddress(network, params.text('to'));
      const bytes = params.hex('hex');
      const count = params.count('count', 1);
      if (count > MAX_COPIES) throw new BadRequest(`count is at most ${MAX_COPIES}`);
      let sent = network.isConnected(from.address, to);
      for (let i = 0; i < count && sent; i++) sent = network.send(from.address, to, bytes);
      return { sent };
    },
    publishEvent: (params) => {
      const target = node(params);
      target.publish(eventFromJson(target.codec.generation, params.text('name'), params.value('value')));
      return {};
    },
    callModule: async (params) => ({
      hex: toHex(
        await node(params).modules.call(
          params.optionalText('module') ?? null,
          params.text('method'),
          params.hex('hex'),
          CALLER,
          params.count('timeoutMillis', LIMITS.NODE_CALL_MILLIS),
        ),
      ),
    }),
    cli: (params) =>
      node(params).modules.cli(
        params.text('module'),
        params.text('subcommand'),
        params.texts('args'),
        params.count('timeoutMillis', LIMITS.NODE_CALL_MILLIS),
      ),
    waitForModule: async (params) => {
      const connection = await node(params).modules.waitFor(
        params.text('module'),
        readinessOf(params.optionalText('readiness') ?? 'connected'),
        params.count('timeoutMillis', WAIT_MILLIS),
      );
      const facts = connection.facts ?? { moduleId: '', moduleName: '', version: '' };
      return { ...facts };
    },
    dropConnections: (params) => {
      node(params).dropConnections();
      return {};
    },
    stats: () => networkStats(network),
    shutdown: () => {
      setImmediate(shutdown);
      return {};
    },
  };
}

/** What modules see as the caller of a call that came over the control socket. */
const CALLER = 'dev-control';

export function nodeInfo(node: DevNode): NodeInfo {
  return {
    name: node.name,
    socketPath: node.socketPath,
    address: node.address,
    payee: node.payee,
    nodeVersion: node.nodeVersion,
    peers: node.peers,
    modules: [...node.modules.connected].map((connection) => connection.facts?.moduleName ?? ''),
  };
}

function invoiceInfo(invoice: DevInvoice, payee: string): InvoiceInfo {
  return {
    paymentId: invoice.paymentId,
    invoice: invoice.invoice,
    paymentHash: toHex(invoice.paymentHash),
    amountMsat: invoice.amountMsat === null ? null : invoice.amountMsat.toString(),
    expiresAt: invoice.expiresAt,
    payee,
  };
}

function networkStats(network: DevNetwork): ControlMethods['stats']['result'] {
  const nodes: [string, DevNodeStats][] = network.nodes.map((node) => [node.name, node.stats()]);
  const links: readonly LinkInfo[] = network.links();
  return { nodes: Object.fromEntries(nodes), links };
}

function tip(network: DevNetwork): { height: number; hash: string } {
  return { height: network.chain.height, hash: toHex(network.chain.tip.hash) };
}

function quality(params: Params): Partial<LinkQuality> {
  return present({
    latencyMillis: params.optionalNumber('latencyMillis', MAX_LATENCY_MILLIS),
    lossRate: params.optionalNumber('lossRate', 1),
    reorderRate: params.optionalNumber('reorderRate', 1),
  });
}

function memberAddress(network: DevNetwork, nameOrAddress: string): string {
  const named = network.nodes.find((node) => node.name === nameOrAddress);
  return named?.address ?? nameOrAddress;
}

const READINESS: readonly Readiness[] = ['connected', 'subscribed', 'api', 'cli'];

function readinessOf(text: string): Readiness {
  const found = READINESS.find((readiness) => readiness === text);
  if (found === undefined) throw new BadRequest(`readiness is one of ${READINESS.join(', ')}`);
  return found;
}

/** The fields that have a value. */
function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

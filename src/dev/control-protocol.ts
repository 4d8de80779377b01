/**
 * What can be asked of a development network over its control socket: one JSON object a line.
 *
 * Request { id, method, params }, response { id, result } or { id, error: { code, message } }. Amounts and other
 * 64-bit integers are decimal strings, bytes are hex; nodes are named by name (`node-1`) or address.
 */
import type { LinkQuality, LinkStats } from './link.js';
import type { Readiness } from './modules.js';
import type { DevNodeStats } from './node.js';

export interface NodeInfo {
  readonly name: string;
  readonly socketPath: string;
  readonly address: string;
  /** Lightning key, 33 bytes in hex. */
  readonly payee: string;
  readonly nodeVersion: string;
  readonly peers: readonly string[];
  readonly modules: readonly string[];
}

export interface InvoiceInfo {
  readonly paymentId: string;
  readonly invoice: string;
  readonly paymentHash: string;
  readonly amountMsat: string | null;
  /** Unix seconds. */
  readonly expiresAt: number;
  readonly payee: string;
}

export interface LinkInfo {
  readonly a: string;
  readonly b: string;
  readonly quality: LinkQuality;
  readonly forth: LinkStats;
  readonly back: LinkStats;
}

/** Every method: its parameters and its result. */
export interface ControlMethods {
  nodes: { params: Empty; result: { nodes: readonly NodeInfo[]; height: number } };
  createInvoice: {
    params: {
      node: string;
      /** Left out or null: an invoice without amount. */
      amountMsat?: string | null;
      description?: string;
      /** 32 bytes in hex; stands in place of the description. */
      descriptionHash?: string;
      expirySeconds?: number;
      timestamp?: number;
    };
    result: InvoiceInfo;
  };
  pay: {
    params: { invoice: string; amountMsat?: string };
    result: { preimage: string; paymentHash: string; amountMsat: string; payee: string };
  };
  requestOnChain: {
    params: { node: string; amountSats: string };
    result: { paymentId: string; script: string };
  };
  payOnChain: { params: { node: string; paymentId: string }; result: { txid: string } };
  createOutputs: {
    params: { outputs: readonly { valueSats: string; script: string }[] };
    result: { txid: string };
  };
  connect: { params: { a: string; b: string } & Partial<LinkQuality>; result: Empty };
  disconnect: { params: { a: string; b: string; reason?: string }; result: Empty };
  setLink: { params: { a: string; b: string } & Partial<LinkQuality>; result: LinkQuality };
  mine: { params: { blocks?: number }; result: { height: number; hash: string } };
  reorg: {
    params: { depth: number; dropTransactions?: boolean };
    result: { height: number; hash: string };
  };
  /** Raw bytes from one node's address to a peer of it, past its modules: what a hostile peer would send. */
  sendFrom: { params: { node: string; to: string; hex: string; count?: number }; result: { sent: boolean } };
  /** An event in the form of the node's types: byte arrays as hex, 64-bit integers as decimal strings. */
  publishEvent: { params: { node: string; name: string; value: unknown }; result: Empty };
  callModule: {
    params: { node: string; module: string | null; method: string; hex: string; timeoutMillis?: number };
    result: { hex: string };
  };
  cli: {
    params: {
      node: string;
      module: string;
      subcommand: string;
      args?: readonly string[];
      timeoutMillis?: number;
    };
    result: { stdout: string; stderr: string; exitCode: number };
  };
  waitForModule: {
    params: { node: string; module: string; readiness?: Readiness; timeoutMillis?: number };
    result: { moduleId: string; moduleName: string; version: string };
  };
  dropConnections: { params: { node: string }; result: Empty };
  stats: {
    params: Empty;
    result: { nodes: Readonly<Record<string, DevNodeStats>>; links: readonly LinkInfo[] };
  };
  shutdown: { params: Empty; result: Empty };
}

export type Empty = Readonly<Record<string, never>>;
export type ControlMethod = keyof ControlMethods;
export type ControlParams<M extends ControlMethod> = ControlMethods[M]['params'];
export type ControlResult<M extends ControlMethod> = ControlMethods[M]['result'];

export interface ControlRequest {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type ControlResponse =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };

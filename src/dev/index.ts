/**
 * The development node as a library: nodes with real module sockets, a virtual network and Lightning wallets, for
 * tests of anything that speaks to a node. `runDevNode` starts it all; DevControlClient drives one elsewhere.
 */
export { runDevNode, type DevNetworkSetup, type RunningDevNode } from './dev-node.js';
export {
  DevNetwork,
  addressOf,
  type DevNetworkOptions,
  type LightPeer,
  type NetworkLink,
  type NetworkMember,
} from './network.js';
export { DEFAULT_NODE_VERSION, DevNode, type DevNodeOptions, type DevNodeStats } from './node.js';
export { PERFECT_LINK, type LinkQuality, type LinkStats } from './link.js';
export { TOPOLOGIES, topologyLinks, type Topology, type TopologyLink } from './topology.js';
export { CAPABILITIES, type Capability } from '../node/capabilities.js';
export { MESH_CAPABILITIES, UNKNOWN_MODULE_CAPABILITIES } from './permissions.js';
export { DevChain, type ChainObserver, type DevBlock, type Utxo } from './chain.js';
export { type OutPoint, type TxOutput } from './transaction.js';
export { DevWallet, type DevInvoice, type DevPayment, type InvoiceRequest } from './wallet.js';
export { PaymentDesk, type OnChainRequest } from './payments.js';
export { ModuleRegistry, type CliResult, type LocalModule, type Readiness } from './modules.js';
export { LIGHTNING_MODULE } from '../node/node-lightning.js';
export { ModuleConnection, type ModuleFacts } from './connection.js';
export { DevControlClient } from './control-client.js';
export type {
  ControlMethod,
  ControlMethods,
  ControlParams,
  ControlResult,
  InvoiceInfo,
  LinkInfo,
  NodeInfo,
} from './control-protocol.js';
export { devNodeCommand } from './command.js';

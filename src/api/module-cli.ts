/**
 * The commands that the node's command line offers for this module, and what they do.
 *
 * Rules: wire.md, Command line (CliSpec, name `mesh`). They are answered from what is known, never by asking the
 * node (node-ipc.md, 7). Every command takes `--json`.
 */
import { fromHex, toHex, utf8 } from '../core/bytes.js';
import { nodeKey, parseNodeId } from '../core/ids.js';
import { MESH_MODES, type MeshMode } from '../core/policy.js';
import { Reason, reasonName, reasonText } from '../core/reasons.js';
import { peerAddress, peerEntry } from '../config/kinds.js';
import type { MeshModule } from '../engine/module.js';
import type { CliSpec } from '../node/messages.js';
import { logLevelCommand, type LeveledLog } from './log-level.js';
import { done, failed, json, misuse, type CliOutcome } from './outcome.js';
import { settleCommand } from './ledger-settle.js';
import { MODULE_COMMANDS, type ModuleCommandName } from './module-commands.js';
import { reloadText, type Reloader, type ReloadOutcome } from './reload.js';
import { peersJson, routesJson, statusJson, statusText, tableText } from './status.js';

/** Hex digits of a node id that tell it from others on a screen. */
const SHORT_ID = 12;

type Run = (args: readonly string[], asJson: boolean) => CliOutcome | Promise<CliOutcome>;

export interface ModuleCliParts {
  readonly mesh: MeshModule;
  /** Where the configuration is read from. */
  readonly configPath: string;
  readonly reloader: Pick<Reloader, 'reload'>;
  readonly log: LeveledLog;
}

export class ModuleCli {
  readonly #parts: ModuleCliParts;
  readonly #runs: { readonly [N in ModuleCommandName]: Run };

  constructor(parts: ModuleCliParts) {
    this.#parts = parts;
    this.#runs = this.#table();
  }

  /** What is registered with the node. */
  spec(): CliSpec {
    return {
      version: 1,
      name: 'mesh',
      about: 'Payment-gated mesh networking',
      subcommands: Object.entries(MODULE_COMMANDS).map(([name, { about, args, optional = [] }]) => ({
        name,
        about,
        args: [
          ...args.map((arg) => argSpec(arg, true)),
          ...optional.map((arg) => argSpec(arg, false)),
          { ...argSpec('json', false), long_name: 'json', takes_value: false },
        ],
      })),
    };
  }

  /** Runs a command. Never throws on its arguments. */
  async run(name: string, given: readonly string[]): Promise<CliOutcome> {
    if (!isCommand(name)) {
      return misuse(`mesh has no command ${name}; it has ${Object.keys(MODULE_COMMANDS).join(', ')}`);
    }
    const { args: wanted, optional = [] } = MODULE_COMMANDS[name];
    // A flag only where there are arguments enough without it: a payload may be any text.
    const flag = given.length > wanted.length ? given.indexOf('--json') : -1;
    const args = given.filter((_, index) => index !== flag);
    if (args.length < wanted.length || args.length > wanted.length + optional.length) {
      const shown = [...wanted, ...optional.map((arg) => `[${arg}]`)].map((arg) => arg.toUpperCase());
      return misuse(`usage: mesh ${[name, ...shown].join(' ')} [--json]`);
    }
    return this.#runs[name](args, flag >= 0);
  }

  #table(): { readonly [N in ModuleCommandName]: Run } {
    const { mesh, configPath, reloader, log } = this.#parts;
    return {
      status: (_, asJson) => (asJson ? json(statusJson(mesh)) : done(statusText(mesh))),
      peers: (_, asJson) => {
        const peers = peersJson(mesh);
        if (asJson) return json(peers);
        if (peers.length === 0) return done('no peer has said who it is yet');
        return done(
          tableText(
            ['node id', 'address'],
            peers.map(({ nodeId, address }) => [nodeId, address]),
          ),
        );
      },
      'list-routes': (_, asJson) => {
        const routes = routesJson(mesh);
        if (asJson) return json(routes);
        if (routes.length === 0) return done('no route is known yet');
        return done(
          tableText(
            ['route', 'hops', 'cost', 'age'],
            routes.map(({ ids, costSats, ageSeconds }) => [
              ids.map((id) => id.slice(0, SHORT_ID)).join(' > '),
              ids.length - 1,
              `${costSats} sats`,
              `${ageSeconds} s`,
            ]),
          ),
        );
      },
      'config-path': (_, asJson) => (asJson ? json({ path: configPath }) : done(configPath)),
      reload: async (_, asJson) => reloaded(await reloader.reload(), asJson),
      'log-level': (args, asJson) => logLevelCommand(log, args, asJson),
      'add-peer': ([address = ''], asJson) => {
        const entry = peerEntry(address);
        if (entry === null) return badAddress();
        mesh.links.transport?.addPeer({ ...entry, source: 'static' });
        const reason = mesh.peers.connected(entry.address);
        if (reason !== Reason.Accepted) return failed(`${reasonName(reason)}: ${reasonText(reason)}`);
        return asJson ? json({ address }) : done(`greeting ${address}; once it answers, \`peers\` shows it`);
      },
      'remove-peer': ([address = ''], asJson) => {
        if (peerAddress.parse(address) === null) return badAddress();
        const { address: where } = peerEntry(address) ?? { address };
        const wasDialled = mesh.links.transport?.removePeer(where) === true;
        if (!wasDialled && mesh.peers.list().every((peer) => peer.address !== where)) {
          return failed(`there is no peer at ${address}; \`peers\` shows those that there are`);
        }
        mesh.peers.disconnected(where);
        return asJson ? json({ address }) : done(`forgot ${address}`);
      },
      'set-mode': ([mode = ''], asJson) => {
        if (!isMode(mode)) return misuse(`'${mode}' is no mode; modes are ${MESH_MODES.join(', ')}`);
        mesh.setMode(mode);
        return asJson ? json({ mode }) : done(`mode is now ${mode}`);
      },
      'send-packet': ([destination = '', payload = ''], asJson) => this.#send(destination, payload, asJson),
      settle: (args, asJson) => settleCommand(mesh.accounts, args, asJson),
    };
  }

  async #send(destination: string, text: string, asJson: boolean): Promise<CliOutcome> {
    const nodeId = parseNodeId(destination);
    const payload = text.startsWith('0x') ? fromHex(text.slice(2)) : utf8(text);
    if (nodeId === null) return misuse('a destination is a node id of 64 hex digits');
    if (payload === null) return misuse('a payload behind 0x is hexadecimal');
    const request = { destination: nodeId, payload, paymentProof: null, protocolId: null, ttlSeconds: null };
    const result = await this.#parts.mesh.outbound.send(request);
    if (!result.ok) return failed(result.error);
    const sent = { packetId: toHex(result.packetId), route: result.route.ids.map(nodeKey) };
    const hops = sent.route.length - 1;
    return asJson ? json(sent) : done(`sent ${sent.packetId} over ${hops} ${hops === 1 ? 'hop' : 'hops'}`);
  }
}

function isCommand(name: string): name is ModuleCommandName {
  return Object.hasOwn(MODULE_COMMANDS, name);
}

function argSpec(name: string, required: boolean): CliSpec['subcommands'][number]['args'][number] {
  return { name, long_name: null, short_name: null, required, takes_value: true, default: null };
}

function badAddress(): CliOutcome {
  return misuse(`an address is ${peerAddress.allowed}`);
}

function isMode(text: string): text is MeshMode {
  return (MESH_MODES as readonly string[]).includes(text);
}

function reloaded(outcome: ReloadOutcome, asJson: boolean): CliOutcome {
  const text = reloadText(outcome);
  if (asJson) return { ...json(outcome), exitCode: outcome.ok ? 0 : 1 };
  return outcome.ok ? done(text) : failed(text);
}

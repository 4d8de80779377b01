/** The commands that ask a running module something (wire.md, Command line), as whoever offers them must know them. */

export type ModuleCommandName =
  | 'status'
  | 'peers'
  | 'list-routes'
  | 'config-path'
  | 'reload'
  | 'log-level'
  | 'add-peer'
  | 'remove-peer'
  | 'set-mode'
  | 'send-packet'
  | 'settle';

export interface CommandFacts {
  readonly about: string;
  /** Names of the positional arguments that are required. */
  readonly args: readonly string[];
  /** Of those that may follow. */
  readonly optional?: readonly string[];
}

/** The commands, whoever asks: the node's command line, or `blvm-mesh` at the module's own door. */
export const MODULE_COMMANDS: Readonly<Record<ModuleCommandName, CommandFacts>> = {
  status: { about: 'What this node does: packets, refusals by reason, fees', args: [] },
  peers: { about: 'Peers that have said who they are', args: [] },
  'list-routes': { about: 'Known routes, hop by hop', args: [] },
  'config-path': { about: 'Where the configuration is read from', args: [] },
  reload: { about: 'Read the configuration again, and say what changed and what needs a restart', args: [] },
  'log-level': {
    about:
      'Show the level of each component of the log, or of one; or set it (of `all`, for all), until the configuration is read again',
    args: [],
    optional: ['component', 'level'],
  },
  'add-peer': { about: 'Greet the peer at an address that the node is connected to', args: ['address'] },
  'remove-peer': {
    about: 'Forget the peer at an address and the routes through it, until it says hello again',
    args: ['address'],
  },
  'set-mode': { about: 'Change what is carried, until the configuration is read again', args: ['mode'] },
  'send-packet': {
    about: 'Send free traffic: a payload (text, or hex behind 0x) to a node id',
    args: ['destination', 'payload'],
  },
  settle: {
    about:
      'Record that a payee has settled a debt: its key, msat or `all`, your own reference or an empty text',
    args: ['payee', 'amount', 'reference'],
  },
};

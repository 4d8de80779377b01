/**
 * The addresses at which the module listens: free for it while it is stopped, and answered while it runs.
 *
 * Reached from this machine: whether others come through to it is a matter of the firewalls between.
 */
import { connect, createServer } from 'node:net';
import { errorText } from '../../core/errors.js';
import type { MeshConfig } from '../../config/config.js';
import type { HostPort } from '../../config/kinds.js';
import { failure, fine, type Finding } from './finding.js';

const CONNECT_MILLIS = 2_000;

/** Where to connect to what listens at every address of this machine. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

type Listens = Pick<MeshConfig, 'listenAddr' | 'dashboardAddr'>;
type Look = (check: string, address: HostPort, key: string) => Promise<Finding>;

/** Of a stopped module. */
export function freeFindings(config: Listens): Promise<readonly Finding[]> {
  return both(config, isFree);
}

/** Of a running one. */
export function reachableFindings(config: Listens): Promise<readonly Finding[]> {
  return both(config, isReachable);
}

function both({ listenAddr, dashboardAddr }: Listens, look: Look): Promise<readonly Finding[]> {
  const of = (check: string, address: HostPort | null, key: string): Finding | Promise<Finding> =>
    address === null ? fine(check, `off (${key} = "")`) : look(check, address, key);
  return Promise.all([
    of('listen address', listenAddr, 'listen_addr'),
    of('dashboard address', dashboardAddr, 'dashboard_addr'),
  ]);
}

async function isFree(check: string, { host, port }: HostPort, key: string): Promise<Finding> {
  const shown = `${host}:${port}`;
  try {
    await new Promise<void>((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(port, host, () => {
        server.close(() => {
          resolve();
        });
      });
    });
    return fine(check, `${shown} is free`);
  } catch (error) {
    const remedy = `end the process that uses it (ss -ltnp), or set ${key} to another port`;
    return failure(check, `${shown}: ${errorText(error)}`, remedy);
  }
}

async function isReachable(check: string, { host, port }: HostPort, key: string): Promise<Finding> {
  const shown = `${host}:${port}`;
  const socket = connect({ host: EVERYWHERE[host] ?? host, port, timeout: CONNECT_MILLIS });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('timeout', () => {
        reject(new Error('it does not answer'));
      });
    });
    return fine(check, `${shown} answers`);
  } catch (error) {
    const remedy = `restart the module where ${key} was changed since its start; else its log says why it does not listen`;
    return failure(check, `${shown}: ${errorText(error)}`, remedy);
  } finally {
    socket.destroy();
  }
}

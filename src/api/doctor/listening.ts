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
import { httpDoor } from './http-check.js';

const CONNECT_MILLIS = 2_000;

/** Where to connect to what listens at every address of this machine. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

type Listens = Pick<MeshConfig, 'listenAddr' | 'dashboardAddr'>;

/** Of a stopped module. */
export function freeFindings({ listenAddr, dashboardAddr }: Listens): Promise<readonly Finding[]> {
  return Promise.all([
    isFree('listen address', listenAddr, 'listen_addr'),
    isFree('page and metrics', dashboardAddr, 'dashboard_addr'),
  ]);
}

/** Of a running one. */
export function reachableFindings({ listenAddr, dashboardAddr }: Listens): Promise<readonly Finding[]> {
  return Promise.all([isReachable('listen address', listenAddr, 'listen_addr'), httpDoor(dashboardAddr)]);
}

async function isFree(check: string, address: HostPort | null, key: string): Promise<Finding> {
  if (address === null) return fine(check, `off (${key} = "")`);
  const { host, port } = address;
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

async function isReachable(check: string, address: HostPort | null, key: string): Promise<Finding> {
  if (address === null) return fine(check, `off (${key} = "")`);
  const { host, port } = address;
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

/** Whether a running module's HTTP door is its own: it starts without one where another program has the address. */
import type { HostPort } from '../../config/kinds.js';
import { errorText } from '../../core/errors.js';
import { failure, fine, type Finding } from './finding.js';

const ANSWER_MILLIS = 2_000;

/** @param address `dashboard_addr`; null where it is closed */
export async function httpDoor(address: HostPort | null): Promise<Finding> {
  const check = 'page and metrics';
  if (address === null) return fine(check, 'off (dashboard_addr = "")');
  const { host, port } = address;
  const shown = `${host}:${port}`;
  const remedy =
    'end the program that has the address (ss -ltnp), or set another dashboard_addr; then restart';
  try {
    const name = host.includes(':') ? `[${host}]` : host;
    const signal = AbortSignal.timeout(ANSWER_MILLIS);
    const response = await fetch(`http://${name}:${port}/healthz`, { signal, redirect: 'error' });
    // Whoever is not on this machine is asked for the token.
    const isOwn =
      response.status === 401
        ? response.headers.get('www-authenticate')?.includes('blvm-mesh') === true
        : 'faults' in ((await response.json()) as object);
    return isOwn
      ? fine(check, `http://${shown}/`)
      : failure(check, `at ${shown} another program answers`, remedy);
  } catch (error) {
    return failure(check, `http://${shown}/ does not answer as this module: ${errorText(error)}`, remedy);
  }
}

/**
 * The page for the operator, its files, its events and what it asks about packets, at the HTTP door.
 *
 * Everything comes from this module: the page works without any other network. It may load nothing else, and nobody
 * may frame it (Content-Security-Policy). Main thread.
 */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../core/limits.js';
import { explain, explainJson } from '../explain/explain.js';
import { refuse, type HttpRoute } from '../http/http-door.js';
import { History } from './history.js';
import { snapshotOf, type SnapshotParts } from './snapshot.js';

const PAGE_DIR = new URL('../../../dashboard/', import.meta.url);

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/style.css', 'style.css', 'text/css; charset=utf-8'],
  ...['app.mjs', 'views.mjs', 'charts.mjs', 'draw.mjs'].map(
    (name) => [`/${name}`, name, 'text/javascript; charset=utf-8'] as const,
  ),
] as const;

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export interface Dashboard {
  readonly routes: readonly HttpRoute[];
  close(): void;
}

export function dashboard(sources: Omit<SnapshotParts, 'history'>): Dashboard {
  const history = new History(sources.mesh);
  const parts = { ...sources, history };
  const listeners = new Set<ServerResponse>();
  history.start(() => {
    if (listeners.size === 0) return;
    const event = eventText('snapshot', snapshotOf(parts));
    for (const response of listeners) tell(response, event);
  });
  const files = FILES.map(([path, name, type]): HttpRoute => {
    const body = readFileSync(fileURLToPath(new URL(name, PAGE_DIR)));
    return {
      method: 'GET',
      path,
      access: 'local',
      handle: (_, response) => {
        response.setHeader('Content-Type', type);
        response.setHeader('Content-Security-Policy', POLICY);
        response.setHeader('Referrer-Policy', 'no-referrer');
        response.end(body);
      },
    };
  });
  const events: HttpRoute = {
    method: 'GET',
    path: '/events',
    access: 'local',
    handle: (request, response) => {
      if (listeners.size >= LIMITS.DASHBOARD_LISTENERS) {
        refuse(response, 503);
        return;
      }
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (request.method === 'HEAD') {
        response.end();
        return;
      }
      listeners.add(response);
      response.once('close', () => listeners.delete(response));
      tell(response, eventText('history', history.samples));
      tell(response, eventText('snapshot', snapshotOf(parts)));
    },
  };
  const packet: HttpRoute = {
    method: 'GET',
    path: '/packet',
    access: 'local',
    handle: async (_, response, url) => {
      const packetId = url.searchParams.get('id') ?? '';
      if (!/^[\da-f]{8,64}$/.test(packetId)) {
        refuse(response, 400);
        return;
      }
      const found = await explain(sources.mesh, { packetId, last: 1 });
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(explainJson(found, sources.mesh)));
    },
  };
  return {
    routes: [...files, events, packet],
    close: () => {
      history.stop();
      for (const response of listeners) response.end();
    },
  };
}

/** A page that does not read is let go: it asks again by itself. */
function tell(response: ServerResponse, event: string): void {
  if (response.writableLength > LIMITS.DASHBOARD_UNREAD_BYTES) response.destroy();
  else response.write(event);
}

function eventText(name: string, value: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

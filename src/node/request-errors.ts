/** What is said when a request to the node fails: each with its cause and what to do about it. */
import { MeshError } from '../core/errors.js';
import type { ResponseMessage } from './messages.js';
import { remedyFor } from './refusals.js';

export function notConnected(request: string): MeshError {
  return new MeshError(
    'NODE_CONNECTION_LOST',
    `${request} was not sent: there is no connection to the node; it is made again by itself`,
    { request, sent: false },
  );
}

export function connectionLost(request: string, why: string, sent: boolean): MeshError {
  const hint = sent ? `; if this happens again, ${remedyFor(request)}` : '';
  return new MeshError(
    'NODE_CONNECTION_LOST',
    `the connection to the node ended (${why}) before ${request} was answered${hint}`,
    {
      request,
      sent,
      why,
    },
  );
}

export function missingRequest(request: string, nodeVersion: string): MeshError {
  return new MeshError('NODE_REQUEST_REFUSED', `node ${nodeVersion} has no ${request}: use a newer node`, {
    request,
    nodeVersion,
  });
}

export function refusedRequest(request: string): MeshError {
  return new MeshError(
    'NODE_REQUEST_REFUSED',
    `the node closed the connection twice on ${request}, so it is not sent any more: ${remedyFor(request)}`,
    { request },
  );
}

export function failedRequest(request: string, response: ResponseMessage): MeshError {
  if (response.success) {
    return new MeshError('NODE_PROTOCOL', `the node answered ${request} with success and nothing else`, {
      request,
    });
  }
  const error = response.error ?? 'no reason given';
  return new MeshError('NODE_REQUEST_REFUSED', `the node refused ${request}: ${error}`, { request, error });
}

export function unreadableAnswer(request: string): MeshError {
  return new MeshError(
    'NODE_PROTOCOL',
    `the node's answer to ${request} has a layout that was not published`,
    {
      request,
    },
  );
}

export function oversized(request: string, bytes: number): MeshError {
  return new MeshError(
    'NODE_REQUEST_REFUSED',
    `${request} has ${bytes} bytes: a frame of the node holds 40 MiB`,
    {
      request,
      bytes,
    },
  );
}

export function queueFull(request: string, requests: number): MeshError {
  return new MeshError(
    'NODE_QUEUE_FULL',
    `${request} was not sent: ${requests} requests wait for the node already; ask less often`,
    { request, requests },
  );
}

export function timedOut(request: string, millis: number, sent: boolean): MeshError {
  return new MeshError('NODE_REQUEST_TIMEOUT', `the node did not answer ${request} within ${millis} ms`, {
    request,
    millis,
    sent,
  });
}

export function shuttingDown(): MeshError {
  return new MeshError(
    'SHUTTING_DOWN',
    'the connection to the node was closed by this module: connect again',
  );
}

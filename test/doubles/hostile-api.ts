import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { selfSigned } from './kurrentdb/certificate.js';

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

export interface TenantApi {
  readonly kubeconfig: string;
  /** What it answers from now on. */
  answering: Answering;
  readonly asked: number;
  connect(): Duplex;
  close(): Promise<void>;
}

/** The Kubernetes API server of a tenant, who answers as they like. */
export const tenantApi = async (answering: Answering): Promise<TenantApi> => {
  const { key, cert } = await selfSigned();
  let asked = 0;
  const server = createServer({ key, cert }, (request, response) => {
    asked++;
    request.resume();
    response.on('error', () => undefined);
    api.answering(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {certificate-authority-data: ${cert.toString('base64')}, server: "https://[fd00::1]:6443"}}]
users: [{name: default, user: {}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const api = {
    ...{ kubeconfig, answering, close, connect: () => connect(port, '127.0.0.1') },
    get asked() {
      return asked;
    },
  };
  return api;
};

const json = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
};

/** A cluster of one node that is well, whose watches go on, and which makes whatever it is asked to. */
export const honest =
  (nodeName: string): Answering =>
  ({ url = '', method }, response) => {
    const conditions = [{ type: 'Ready', status: 'True' }];
    const node = { metadata: { name: nodeName, resourceVersion: '1' }, status: { conditions } };
    if (url.includes('watch=true')) return void response.writeHead(200).flushHeaders();
    if (url.includes('/nodes') && method === 'GET')
      return json(response, 200, JSON.stringify({ items: [node], metadata: { resourceVersion: '1' } }));
    if (!url.endsWith('/token')) return json(response, 201, '{}');
    const status = { token: 'honest-token', expirationTimestamp: '2999-01-01T00:00:00.000Z' };
    return json(response, 201, JSON.stringify({ status }));
  };

const MIB = 1024 * 1024;
const forever = (response: ServerResponse, chunk: string): void => {
  const more = (): void => {
    if (!response.destroyed) response.write(chunk, () => setImmediate(more));
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  more();
};
const status = (text: string, message = text): string =>
  JSON.stringify({ kind: 'Status', message, reason: text, details: { name: text } });
const nodes = (text: string, name = text): string =>
  JSON.stringify({
    metadata: { resourceVersion: text, _continue: text },
    items: [
      {
        metadata: { name },
        status: { conditions: [{ type: 'Ready', status: 'False', reason: text, message: text }] },
      },
    ],
  });

/** What a tenant may do to who asks their API server. `text` goes wherever text goes. */
export const hostilities = (text: string): Readonly<Record<string, Answering>> => ({
  'a body without an end': (_, response) => forever(response, 'x'.repeat(64 * 1024)),
  'ten million things that are nothing': (_, response) =>
    json(response, 200, `{"metadata":{},"items":[${'{},'.repeat(10 * MIB)}{}]}`),
  'a watch of nothing but ends of lines': (request, response) =>
    request.url!.includes('watch=true')
      ? forever(response, '\n'.repeat(64 * 1024))
      : json(response, 200, '{"items":[],"metadata":{"resourceVersion":"1"}}'),
  'arrays in arrays': (_, response) => json(response, 200, '['.repeat(8 * MIB)),
  'a name of 10 MB': (_, response) => json(response, 200, nodes('', 'n'.repeat(10 * MIB))),
  'orders in every text': (_, response) => json(response, 200, nodes(text)),
  'orders in an error': (_, response) => json(response, 500, status(text)),
  'an error of 10 MB': (_, response) => json(response, 403, status('e', 'e'.repeat(10 * MIB))),
  'one byte, and then no more': (_, response) => void response.writeHead(200).write('{'),
});

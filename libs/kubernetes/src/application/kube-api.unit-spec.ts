import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { ManualClock } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { SecretStore } from '#access';
import { selfSigned } from '../../../../test/doubles/kurrentdb/certificate.js';
import { apiSaid } from './api-said.js';
import { KubeApis, MAX_ANSWER_BYTES } from './kube-api.js';

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "https://[fd00::1]:6443"}}]
users: [{name: default, user: {}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;

/** A node that opens the tunnel and never says a word. */
const silentNode = () => new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });

describe('the Kubernetes API through a tunnel', () => {
  it('gives up a node that opens the tunnel and stays silent', async () => {
    const clock = new ManualClock();
    let opened!: () => void;
    const tunnel = new Promise<void>((resolve) => (opened = resolve));
    const link = {
      liveness: () => ({ connected: true }),
      openTunnel: async () => {
        opened();
        return silentNode();
      },
    } as unknown as AgentLink;
    const secrets = { get: async () => KUBECONFIG } as unknown as SecretStore;
    const target = { clusterName: 'c', kubeconfigRef: 'ref', servers: ['instance-1'] };
    const api = await new KubeApis(link, secrets, clock).open(target);
    const listed = api.core.listNode().then(
      () => 'answered',
      () => 'gave up',
    );
    await tunnel;
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    expect(await listed).toBe('gave up');
    await api.close();
  });

  it('reads no more of an answer than a large cluster has to say', async () => {
    const { key, cert } = await selfSigned();
    let size = 1_000;
    const server = createServer({ key, cert }, (_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(`{"kind":"NodeList","apiVersion":"v1","items":[],"more":"${'x'.repeat(size)}"}`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const link = {
      liveness: () => ({ connected: true }),
      openTunnel: async () => connect(port, '127.0.0.1'),
    } as unknown as AgentLink;
    const trusting = KUBECONFIG.replace('{server:', `{certificate-authority-data: ${cert.toString('base64')}, server:`);
    const secrets = { get: async () => trusting } as unknown as SecretStore;
    const target = { clusterName: 'c', kubeconfigRef: 'ref', servers: ['instance-1'] };
    const api = await new KubeApis(link, secrets, new ManualClock()).open(target);
    try {
      expect((await api.core.listNode()).items).toEqual([]);
      size = MAX_ANSWER_BYTES;
      const problem = await api.core.listNode().then(
        () => undefined,
        (error: Error & { cause?: Error }) => `${error.message} ${error.cause?.message ?? ''}`,
      );
      expect(problem).toMatch(/maxResponseSize|max size|exceeded|aborted|terminated/i);
    } finally {
      await api.destroy!(new Error('done'));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('an API server that means no good', () => {
  const answers: Record<string, (response: ServerResponse) => void> = {
    'a little that would unfold to much': (response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(Buffer.alloc(64 * 1024 * 1024, 32)));
    },
    'another place': (response) => void response.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end(),
    'headers without an end': (response) => {
      response.setHeader('x', 'y'.repeat(200_000));
      response.end('{}');
    },
    'a list of things that take a hundred times their size': (response) =>
      void response.end(`{"items":[${'{},'.repeat(600_000)}{}]}`),
    'a list that drips': (response) => void response.write('{"kind":"NodeList",'),
  };
  const why: Record<string, RegExp> = {
    'a little that would unfold to much': /compressed/,
    'another place': /redirects are not followed/,
    'headers without an end': /header/i,
    'a list of things that take a hundred times their size': /more than 500000 things/,
    'a list that drips': /not complete within 60 s/,
  };

  it.each(Object.keys(answers))('is not taken in by %s', async (kind) => {
    const { key, cert } = await selfSigned();
    let asked!: () => void;
    const begun = new Promise<void>((resolve) => (asked = resolve));
    const seen: string[] = [];
    const server = createServer({ key, cert }, (request, response) => {
      seen.push(String(request.headers['accept-encoding']));
      answers[kind]!(response);
      asked();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const link = { liveness: () => ({ connected: true }), openTunnel: async () => connect(port, '127.0.0.1') };
    const trusting = KUBECONFIG.replace('{server:', `{certificate-authority-data: ${cert.toString('base64')}, server:`);
    const secrets = { get: async () => trusting } as unknown as SecretStore;
    const clock = new ManualClock();
    const target = { clusterName: 'c', kubeconfigRef: 'ref', servers: ['instance-1'] };
    const api = await new KubeApis(link as unknown as AgentLink, secrets, clock).open(target);
    try {
      const listed = api.core.listNode().then(
        () => 'it was taken',
        (error: unknown) => apiSaid(error),
      );
      await begun;
      if (kind.includes('drips')) await clock.advance(60_000);
      expect(await listed).toMatch(why[kind]!);
      expect(seen).toEqual(['identity']);
    } finally {
      await api.destroy!(new Error('done'));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

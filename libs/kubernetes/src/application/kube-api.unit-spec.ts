import { Duplex } from 'node:stream';
import { ManualClock } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { SecretStore } from '#access';
import { KubeApis } from './kube-api.js';

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
});

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { agentV1 } from '#proto';
import { eventually } from '../testing/harness.js';
import { ack, FAKE_K3S, K3sNode, modules, server, worker } from '../testing/k3s-node.js';

const { Phase } = agentV1;

describe('k3s on the node', () => {
  const node = new K3sNode();
  const { start, phases, runs, root, config, program } = node;

  it('bootstraps the first server: config, start, kubeconfig and tokens, ready', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'BOOTSTRAP', 'READY']);
    const written = await config();
    expect(written).toContain('cluster-init: true\n');
    expect(written).toContain('tls-san:\n  - "fd00:abcd:1::100"\n');
    expect(written).toContain('flannel-iface: "wg-sdwan-abc123"\ndisable-network-policy: true\n');
    expect(node.platform.phases[1]).toMatchObject({
      serverToken: 'K10server',
      caPem: 'CA',
      version: 'v1.30.5+k3s1',
      nodeName: 'k3s-server-1',
    });
    expect(node.platform.phases[1]?.kubeconfig).toContain('client-key-data');
    await eventually('health', () => node.platform.of('runtimeHealth').some((h) => h.ready));
  });

  it('does not repeat phases or restart k3s when the agent itself restarts', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually(
      'ready and healthy',
      () => phases().includes('READY') && node.platform.of('runtimeHealth').length > 0,
    );
    node.platform.received.length = 0;
    await node.running.agent.stop(false);
    await start();
    await eventually('health again', () => node.platform.of('runtimeHealth').length > 0);
    expect(phases()).toHaveLength(3);
    expect(await runs()).toEqual(['server url= token=']);
  });

  it('starts on an external datastore with the token of all, and keeps the endpoint in a file of mode 0600 only', async () => {
    const datastoreEndpoint = 'postgres://k3s:s3cret@[fd00::5]:5432/k3s';
    node.platform.onPhase = (p) =>
      p.phase === Phase.PHASE_JOIN_REQUEST ? ack({ serverToken: 'shared', datastoreEndpoint }) : ack({});
    node.platform.onHello = (_h, s) =>
      s.write({ message: modules(1, server({ datastore: 'external', datastore_version: 'v1' })) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'BOOTSTRAP', 'READY']);
    const written = await config();
    expect(written).toContain(`datastore-endpoint: "${datastoreEndpoint}"\ntoken: "shared"\n`);
    expect(written).not.toMatch(/cluster-init|^server:/m);
    expect((await stat(root('etc/rancher/k3s/config.yaml'))).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(await runs())).not.toContain('s3cret');
    expect(await readFile(join(node.dir, 'state/phases.json'), 'utf8')).not.toContain('s3cret');
  });

  it('restarts k3s when its configuration changes, stops it when told, and joins anew in its next life', async () => {
    node.platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: 's3cret' });
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    node.platform.send(modules(2, worker({ args: ['--node-label=a=b'] })));
    await eventually('a restart', async () => (await runs()).length === 2);
    node.platform.send(modules(3, worker({ state: 'stop', reason: 'decommissioned' })));
    await eventually('stopped', () => phases().includes('STOPPED'));
    node.platform.send(modules(4, worker()));
    await eventually('a second join', () => phases().filter((p) => p === 'JOIN_REQUEST').length === 2);
    const joins = node.platform.phases.filter((p) => p.phase === Phase.PHASE_JOIN_REQUEST).map((p) => p.requestId);
    expect(new Set(joins).size).toBe(2);
  });

  it('tells anew that it is ready when it runs another version, also when that is one it ran before', async () => {
    const other = await program(FAKE_K3S.replace('v1.30.5', 'v1.31.2'), 'k3s-next');
    const at = (path: string, version: string) => server({ binary: { path, version } });
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, at(join(node.dir, 'bin/k3s'), 'v1.30.5+k3s1')) });
    await start();
    const readies = () => node.platform.phases.filter((p) => p.phase === Phase.PHASE_READY);
    await eventually('ready', () => readies().length === 1);
    node.platform.send(modules(2, at(other, 'v1.31.2+k3s1')));
    await eventually('ready again', () => readies().length === 2);
    node.platform.send(modules(3, at(join(node.dir, 'bin/k3s'), 'v1.30.5+k3s1')));
    await eventually('ready after the rollback', () => readies().length === 3);
    expect(readies().map((p) => p.version)).toEqual(['v1.30.5+k3s1', 'v1.31.2+k3s1', 'v1.30.5+k3s1']);
    expect(new Set(readies().map((p) => p.requestId)).size).toBe(3);
    await eventually('the third start', async () => (await runs()).length === 3);
  });

  it('says why k3s cannot be brought up, goes on trying, and honours a refusal', async () => {
    await program('#!/bin/sh\necho broken >&2; exit 3\n');
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('the failure', () => phases().includes('FAILED'));
    expect(node.platform.phases.at(-1)?.error).toMatch(/does not run: broken/);
    await program(FAKE_K3S);
    node.platform.onPhase = (p) =>
      p.phase === Phase.PHASE_BOOTSTRAP && phases().filter((x) => x === 'BOOTSTRAP').length === 1
        ? {
            $case: 'refusal',
            value: { code: 'not_now', message: 'wait', status: 422, hint: '', field: '', candidates: [] },
          }
        : ack({});
    await eventually('ready in the end', () => phases().includes('READY'));
  });
});

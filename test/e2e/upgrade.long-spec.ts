import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import { until } from '../../apps/lab/src/processes.js';
import { LabRig } from './support/lab-rig.js';
import { describeWithRealParts, itWithRealParts } from './support/with-real-parts.js';

const SERVER = 's1';
const WORKER = 'w1';
const OLD = 'v1.30.5+k3s1';
const NEW = 'v1.31.2+k3s1';

interface DockerHost {
  readonly id: string;
  readonly status: string;
  readonly api_endpoint: string;
}

interface Upgrade {
  readonly state: string;
  readonly kind: string;
  readonly nodes: readonly { readonly name: string; readonly phase: string; readonly error: string | null }[];
}

/** The long way, with three servers, the platform killed at random, and back again, is `npm run soak -- upgrade`. */
describeWithRealParts('a cluster goes on to another version, to new certificates and to a new server token', {}, () => {
  let rig: LabRig;
  let programs: string;
  let cluster_id: string;

  beforeAll(async () => {
    rig = await LabRig.create({
      hosts: [SERVER, WORKER],
      // No machine dies here, and a busy one is to look alive.
      agentEnv: { K3S_DOUBLE_NODE_GRACE_MS: '20000', K3S_DOUBLE_LEASE_RENEW_MS: '1500' },
    });
    programs = mkdtempSync(join(tmpdir(), 'drover-k3s-'));
  });

  afterAll(async () => {
    await rig?.close();
    if (programs !== undefined) rmSync(programs, { recursive: true, force: true });
  });

  const call = <T = Record<string, unknown>>(name: string, args: Record<string, unknown>) =>
    rig.operator.call<T>(name, args);
  /** A kept connection may end just when it is used again; a reading call is simply made once more. */
  const read = <T>(name: string, args: Record<string, unknown>): Promise<T> =>
    call<T>(name, args).catch((error: unknown) => {
      if (error instanceof TypeError) return call<T>(name, args);
      throw error;
    });
  /** A release of the stand-in: the same program under another version. */
  const release = async (version: string, states: readonly string[]) => {
    const path = join(programs, version);
    writeFileSync(path, `#!/bin/sh\nexport K3S_DOUBLE_VERSION='${version}'\nexec ${rig.root}/dist/doubles/k3s "$@"\n`);
    chmodSync(path, 0o755);
    const sha256 = sha256Hex(readFileSync(path));
    await call('system_create_module_version', { module_name: 'k3s-server', version, path, sha256 });
    for (const to of states) await call('system_promote_module_version', { module_name: 'k3s-server', version, to });
  };
  const nodes = async () =>
    (await read<{ nodes: { status: string; version: string }[] }>('kubernetes_list_nodes', { cluster_id })).nodes;
  const versions = async () => [...new Set((await nodes()).map((n) => n.version))];
  const upgrade = async () => (await read<{ upgrade: Upgrade }>('kubernetes_get_upgrade', { cluster_id })).upgrade;
  const ended = (state: string) =>
    until(
      `the rollout is ${state}`,
      async () => {
        const now = await upgrade();
        if (now.state === 'stopped') throw new Error(JSON.stringify(now, null, 1));
        return now.state === state;
      },
      120_000,
      200,
    );
  const kubeconfig = async () =>
    (await read<{ kubeconfig: string }>('kubernetes_get_kubeconfig', { cluster_id })).kubeconfig;

  it('starts with the version that is live', async () => {
    await release(OLD, ['staging', 'blessed', 'live']);
    await call('system_sdwan_create_network', { name: 'net' });
    for (const [host, module_name] of [
      [SERVER, 'k3s-server'],
      [WORKER, 'k3s-agent'],
    ]) {
      await call('system_create_template', { name: module_name });
      await call('system_assign_module_to_template', { template_id: module_name, module_name });
      const { node } = await call<{ node: { id: string } }>('system_create_node', {
        hostname: host,
        node_template_id: module_name,
      });
      const { instance } = await call<{ instance: { id: string } }>('system_provision_instance', {
        node_id: node.id,
        driver: 'lab',
        cni_plugin: 'flannel',
      });
      await call('system_sdwan_attach_peer', { network_id: 'net', node_instance_id: instance.id });
    }
    await until(
      'the cluster is up',
      async () => {
        const { clusters } = await read<{ clusters: { id: string }[] }>('kubernetes_list_clusters', {});
        cluster_id = clusters[0]?.id ?? '';
        if (cluster_id === '') return false;
        const all = await nodes();
        return all.length === 2 && all.every((n) => n.status === 'ready');
      },
      120_000,
      200,
    );
    expect(await versions()).toEqual([OLD]);
  });

  it('plans without doing anything, and goes to the next version', async () => {
    await release(NEW, ['staging']);
    const arguments_ = { cluster_id, version: NEW, canary: 0 };
    const plan = await call<{ upgrade: Upgrade }>('kubernetes_upgrade_cluster', { ...arguments_, dry_run: true });
    expect(plan.upgrade.nodes.map((n) => n.name)).toEqual([SERVER, WORKER]);
    await expect(upgrade()).rejects.toThrow(/no rollout yet/);
    await call('kubernetes_upgrade_cluster', arguments_);
    await ended('completed');
    expect(await versions()).toEqual([NEW]);
  }, 300_000);

  it('makes the certificates of every node anew, and the kubeconfig follows', async () => {
    const before = await kubeconfig();
    await call('kubernetes_rotate_certificates', { cluster_id, drain: false });
    await ended('completed');
    expect((await upgrade()).kind).toBe('certificates');
    const after = await kubeconfig();
    expect(after).not.toBe(before);
    // The new one opens the API: the platform itself asks with it.
    expect((await nodes()).map((n) => n.status)).toEqual(['ready', 'ready']);
    const { events } = await read<{ events: { payload: { certificates_end_ms: number } }[] }>('recent_events', {
      kind_prefix: 'system.k3s.rollout.node_reported',
    });
    expect(events).toHaveLength(2);
    for (const { payload } of events) expect(payload.certificates_end_ms).toBeGreaterThan(1.7e12);
  });

  it('replaces the server token: K3s takes the new one only, and new workers join as before', async () => {
    const token = async () => (await rig.lab.exec(SERVER, ['cat', '/var/lib/rancher/k3s/server/token'])).stdout.trim();
    const rotate = { cluster_id, drain: false };
    const plan = await call<{ upgrade: Upgrade }>('kubernetes_rotate_server_token', { ...rotate, dry_run: true });
    expect(plan.upgrade.nodes.map((n) => n.name)).toEqual([SERVER]);
    const before = await token();
    await call('kubernetes_rotate_server_token', rotate);
    await ended('completed');
    const after = await token();
    expect(after).not.toBe(before);
    const config = await rig.lab.exec(SERVER, ['cat', '/etc/rancher/k3s/config.yaml']);
    expect(config.stdout).toContain(JSON.stringify(after));
    const asked = async (value: string) =>
      (await rig.lab.exec(SERVER, [`${rig.root}/dist/doubles/k3s`, 'etcd-snapshot', 'ls', '--etcd-token', value])).code;
    expect([await asked(before), await asked(after)]).toEqual([1, 0]);
    expect((await nodes()).map((n) => n.status)).toEqual(['ready', 'ready']);
    const { events } = await read<{ events: { kind: string }[] }>('recent_events', {
      kind_prefix: 'system.k3s.cluster.server_token',
    });
    expect(events.map((e) => e.kind).sort()).toEqual([
      'system.k3s.cluster.server_token_changed',
      'system.k3s.cluster.server_token_changing',
    ]);
    expect(JSON.stringify(events)).not.toContain(after.split(':').at(-1));
  });

  itWithRealParts(
    'makes the worker a Docker host that only the account’s own clients can speak to',
    { tools: ['dockerd'] },
    async () => {
      // What a daemon needs to run inside a namespace; the storage driver of machines without overlayfs.
      const base = '/var/lib/docker-e2e';
      const daemon_options = {
        bridge: 'none',
        iptables: false,
        'storage-driver': 'vfs',
        'data-root': `${base}/data`,
        'exec-root': `${base}/exec`,
        pidfile: `${base}/docker.pid`,
      };
      const assign = {
        template_id: 'k3s-agent',
        module_name: 'docker-engine',
        config: { daemon_options, socket_path: `${base}/docker.sock` },
      };
      await call('system_assign_module_to_template', assign);
      const { host } = await call<{ host: DockerHost }>('system_provision_docker_runtime', {
        node_instance_id: WORKER,
      });
      expect(host.api_endpoint).toMatch(/^tcp:\/\/\[fd[0-9a-f:]+\]:2376$/);
      const list = async () => (await read<{ hosts: DockerHost[] }>('system_list_managed_docker_hosts', {})).hosts;
      await until('the host is connected', async () => (await list())[0]?.status === 'connected', 120_000, 200);
      const { events } = await read<{ events: { kind: string }[] }>('recent_events', { kind_prefix: 'system.docker' });
      const kinds = [
        'module.assigned',
        'host_requested',
        'runtime.installing',
        'handshake.wants_cert',
        'client_ca_created',
        'handshake.cert_signed',
        'handshake.ready',
        'provisioned',
      ];
      expect(events.map((e) => e.kind).sort()).toEqual(kinds.map((k) => `system.docker.${k}`).sort());
      const client = await call<Record<'ca_pem' | 'cert_pem' | 'key_pem', string>>('system_issue_docker_client', {});
      for (const name of ['ca', 'cert', 'key'] as const)
        writeFileSync(join(programs, `${name}.pem`), client[`${name}_pem`], { mode: 0o600 });
      const url = `${host.api_endpoint.replace('tcp:', 'https:')}/version`;
      const ask = (from: string, ...more: string[]) =>
        rig.lab.exec(from, ['curl', '-sS', '--max-time', '5', '--cacert', join(programs, 'ca.pem'), ...more, url]);
      const own = ['--cert', join(programs, 'cert.pem'), '--key', join(programs, 'key.pem')];
      expect(JSON.parse((await ask(SERVER, ...own)).stdout)).toMatchObject({ Version: expect.any(String) });
      // Without a certificate, and with the one that makes an agent an agent: neither is heard.
      expect((await ask(SERVER)).code).not.toBe(0);
      const { stdout } = await rig.lab.exec(SERVER, ['cat', '/var/lib/drover-agent/identity.json']);
      const agent = JSON.parse(stdout) as { certificatePem: string; keyPem: string };
      writeFileSync(join(programs, 'agent.crt'), agent.certificatePem);
      writeFileSync(join(programs, 'agent.key'), agent.keyPem);
      const identity = ['--cert', join(programs, 'agent.crt'), '--key', join(programs, 'agent.key')];
      expect((await ask(SERVER, ...identity)).code).not.toBe(0);
      await call('system_decommission_docker_runtime', { host_id: host.id });
      await until('the daemon is gone', async () => (await ask(SERVER, ...own)).code === 7, 120_000, 200);
    },
  );
});

import { readFile, stat } from 'node:fs/promises';
import { agentV1 } from '#proto';
import { eventually } from '../testing/harness.js';
import { ack, K3sNode, modules, server, worker } from '../testing/k3s-node.js';

const { Phase } = agentV1;

describe('k3s that joins a cluster', () => {
  const node = new K3sNode();
  const { start, phases, runs, root, config } = node;

  it('waits for a token as told, then joins with it and keeps it in files of mode 0600 only', async () => {
    let asked = 0;
    node.platform.onPhase = (p) => {
      if (p.phase !== Phase.PHASE_JOIN_REQUEST) return ack({});
      return ++asked < 3
        ? { $case: 'retryAfterMs', value: 50 }
        : ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: 's3cret' });
    };
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'JOIN_REQUEST', 'JOIN_REQUEST', 'READY']);
    expect(node.platform.phases[1]).toMatchObject({ targetClusterId: 'cluster-1' });
    expect(new Set(node.platform.phases.slice(1, 4).map((p) => p.requestId)).size).toBe(1);
    const dropIn = root('etc/systemd/system/k3s-agent.service.d/override.conf');
    expect(await readFile(dropIn, 'utf8')).toContain('Environment="K3S_TOKEN=s3cret"');
    expect((await stat(dropIn)).mode & 0o777).toBe(0o600);
    expect(await runs()).toEqual(['agent url=https://[fd00::100]:6443 token=set']);
    expect(
      JSON.stringify(node.platform.received, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v)),
    ).not.toContain('s3cret');
  });

  it('joins anew, with another token and a restart, when it was removed as a worker that joined for too long', async () => {
    let asked = 0;
    node.platform.onPhase = (p) => {
      if (p.phase === Phase.PHASE_JOIN_REQUEST)
        return ack({ apiEndpoint: 'https://[fd00::100]:6443', agentToken: `K10token${++asked}` });
      if (p.phase !== Phase.PHASE_READY || asked > 1) return ack({});
      const refusal = { code: 'not_joining', message: 'it is not joining', hint: '' };
      return { $case: 'refusal', value: agentV1.PhaseRefusal.fromPartial(refusal) };
    };
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, worker()) });
    await start();
    await eventually('ready in the end', () => phases().filter((p) => p === 'READY').length > 1);
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'READY', 'JOIN_REQUEST', 'READY']);
    await eventually('its second start', async () => (await runs()).length === 2);
    expect(await readFile(root('etc/systemd/system/k3s-agent.service.d/override.conf'), 'utf8')).toContain('K10token2');
  });

  it('joins as a further server with the VIP and the server token', async () => {
    node.platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' });
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server({ role: 'join' })) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    expect(phases()).toEqual(['INSTALLING', 'JOIN_REQUEST', 'READY']);
    const written = await config();
    expect(written).toContain('server: "https://[fd00::100]:6443"\ntoken: "K10srv"\n');
    expect(written).not.toContain('cluster-init');
  });
});

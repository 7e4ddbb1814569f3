import { agentV1 } from '#proto';
import { systemFiles } from '../adapters/files.js';
import { eventually } from '../testing/harness.js';
import { ack, K3sNode, modules, server } from '../testing/k3s-node.js';

const { Phase } = agentV1;

describe('what another cluster left on the node', () => {
  const node = new K3sNode();
  const { start, phases, root, config, aside } = node;

  it('sets aside what it began as the first server when the claim has gone to another, and joins that one', async () => {
    let claimant = true;
    node.platform.onPhase = (p) =>
      p.phase === Phase.PHASE_BOOTSTRAP && claimant
        ? {
            $case: 'refusal',
            value: { code: 'not_the_claimant', message: '', status: 409, hint: '', field: '', candidates: [] },
          }
        : ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' });
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('a refused bootstrap', () => phases().includes('BOOTSTRAP'));
    claimant = false;
    node.platform.send(modules(2, server({ role: 'join', bootstrapped: true })));
    await eventually('ready', () => phases().includes('READY'));
    expect(String(await aside())).toContain('K10server');
    const written = await config();
    expect(written).toContain('server: "https://[fd00::100]:6443"');
    expect(written).not.toContain('cluster-init');
  });

  it('joins the cluster that it made when its disk has been lost, whoever else is left', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('ready', () => phases().includes('READY'));
    await node.running.agent.stop(true);
    await systemFiles.removeTree(root('var/lib/rancher/k3s'));
    node.platform.onPhase = () => ack({ apiEndpoint: 'https://[fd00::100]:6443', serverToken: 'K10srv' });
    node.platform.onHello = (_h, s) => s.write({ message: modules(2, server({ bootstrapped: true })) });
    await start();
    await eventually('ready again', () => phases().filter((p) => p === 'READY').length === 2);
    expect(phases().filter((p) => p === 'BOOTSTRAP')).toHaveLength(1);
    expect(await config()).not.toContain('cluster-init');
  });

  it('does not go on with the data of a cluster that was decommissioned, nor with data it knows nothing of', async () => {
    await systemFiles.write(root('var/lib/rancher/k3s/server/node-token'), 'somebody else');
    node.platform.onHello = (_h, s) => s.write({ message: modules(1, server()) });
    await start();
    await eventually('the failure', () => phases().includes('FAILED'));
    expect(node.platform.phases.at(-1)?.error).toMatch(/move them away first/);
    await systemFiles.removeTree(root('var/lib/rancher/k3s'));
    await eventually('ready', () => phases().includes('READY'));
    node.platform.send(modules(2, server({ state: 'stop', reason: 'decommissioned' })));
    await eventually('stopped', () => phases().includes('STOPPED'));
    expect(await aside()).toBeUndefined();
    node.platform.send(modules(3, server({ cluster_id: 'cluster-2' })));
    await eventually('a second bootstrap', () => phases().filter((p) => p === 'BOOTSTRAP').length === 2);
    expect(String(await aside())).toContain('K10server');
  });
});

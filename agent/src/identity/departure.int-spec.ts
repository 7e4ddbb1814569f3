import 'reflect-metadata';
import { agentV1 } from '#proto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemFiles } from '../adapters/files.js';
import type { Docker } from '../docker/docker.js';
import type { Modules } from '../k3s/modules.js';
import { AgentCase } from '../testing/agent-case.js';
import { network, snapshot } from '../testing/agent-sections.js';
import { eventually, temporaryFolder } from '../testing/harness.js';

describe('an agent whose instance is over', () => {
  const node = new AgentCase();

  it('wipes itself when the platform has forgotten it, and stops when superseded', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length === 1);
    node.platform.send({ $case: 'bye', value: { code: 'forgotten', message: 'terminated', wipe: true } });
    expect(await running.agent.ended).toEqual({ kind: 'wiped' });
    expect(await running.driver.read('wg-sdwan-abc123')).toBeUndefined();
    await expect(readdir(node.stateDir)).rejects.toThrow(/ENOENT/);
    const again = await node.start();
    await eventually('a new stream', () => node.platform.of('hello').length === 2);
    node.platform.send({ $case: 'bye', value: { code: 'superseded', message: 'a newer one', wipe: false } });
    expect(await again.agent.ended).toMatchObject({ kind: 'superseded' });
  });

  it('tears nothing down for a revoked certificate: the instance lives, and comes back', async () => {
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length === 1);
    node.platform.send({ $case: 'bye', value: { code: 'certificate_revoked', message: 'revoked', wipe: true } });
    node.platform.streams.at(-1)!.end();
    await eventually('a new stream', () => node.platform.of('hello').length === 2);
    expect(await running.driver.read('wg-sdwan-abc123')).toBeDefined();
    expect(await running.store.wipeBegun('instance-1')).toBeUndefined();
  });

  it('tries again what fails, tells why once, and a Docker that cannot be removed does not hold up K3s', async () => {
    node.platform.onPhase = () => ({ $case: 'ack', value: agentV1.PhaseAck.fromPartial({}) });
    const running = await node.start();
    await eventually('a stream', () => node.platform.of('hello').length === 1);
    const { docker, modules } = running.agent as unknown as { docker: Docker; modules: Modules };
    const [removeDocker, removeK3s] = [docker.remove.bind(docker), modules.remove.bind(modules)];
    let tries = 0;
    docker.remove = () => (++tries < 4 ? Promise.reject(new Error(`process ${tries} does not end`)) : removeDocker());
    const removed: number[] = [];
    modules.remove = (keepData) => (removed.push(tries), removeK3s(keepData));
    node.platform.send({ $case: 'bye', value: { code: 'instance_terminated', message: 'over', wipe: true } });
    expect(await running.agent.ended).toEqual({ kind: 'wiped' });
    expect(removed).toEqual([1, 2, 3, 4]);
    const said = node.platform.phases.map(({ phase, error, left }) => [agentV1.Phase[phase], error, left]);
    expect(said).toEqual([
      ['PHASE_WIPE_STUCK', 'docker: process 2 does not end', []],
      ['PHASE_WIPED', '', []],
    ]);
  });

  it('goes on with a wipe that was cut off, takes K3s’s data away with it, and says so at last', async () => {
    node.platform.onPhase = () => ({ $case: 'ack', value: agentV1.PhaseAck.fromPartial({}) });
    node.platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    const running = await node.start();
    await eventually('a receipt', () => node.platform.of('applied').length === 1);
    // As it is after a death in the middle: the word of it and K3s's data are there, K3s's units are not.
    await running.store.beginWipe('instance-1', 'instance_terminated');
    await running.agent.stop(false);
    const state = { a: { installing: true, started: 'x', dataId: 'id-1' } };
    await systemFiles.write(join(node.stateDir, 'phases.json'), JSON.stringify(state));
    const root = await temporaryFolder();
    for (const name of ['drover-data', 'server/node-token'])
      await systemFiles.write(join(root, 'var/lib/rancher/k3s', name), 'id-1');
    const again = await node.start({ root });
    expect(await again.agent.ended).toEqual({ kind: 'wiped' });
    expect(await readdir(join(root, 'var/lib'))).toEqual([]);
    expect(await again.driver.read('wg-sdwan-abc123')).toBeUndefined();
    expect(node.platform.of('hello')).toHaveLength(1);
    const said = node.platform.phases.filter(({ phase }) => phase === agentV1.Phase.PHASE_WIPED);
    expect(said).toMatchObject([{ removed: [join(root, 'var/lib/rancher/k3s')], left: [] }]);
    await rm(root, { recursive: true });
  });
});

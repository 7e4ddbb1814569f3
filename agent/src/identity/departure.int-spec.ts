import 'reflect-metadata';
import { agentV1 } from '#proto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemFiles } from '../adapters/files.js';
import type { Docker } from '../docker/docker.js';
import type { Modules } from '../k3s/modules.js';
import { network, snapshot } from '../testing/agent-sections.js';
import { FakePlatform } from '../testing/fake-platform.js';
import { eventually, startAgent, temporaryFolder, type RunningAgent } from '../testing/harness.js';
import { makeTestCa, type TestCa } from '../testing/test-ca.js';

describe('an agent whose instance is over', () => {
  let ca: TestCa;
  let platform: FakePlatform;
  let stateDir: string;
  let running: RunningAgent | undefined;

  beforeAll(async () => {
    ca = await makeTestCa();
  });
  beforeEach(async () => {
    platform = new FakePlatform(ca);
    await platform.start();
    stateDir = await temporaryFolder();
  });
  afterEach(async () => {
    await running?.agent.stop(true);
    running = undefined;
    platform.stop();
  });

  it('wipes itself when the platform has forgotten it, and stops when superseded', async () => {
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length === 1);
    platform.send({ $case: 'bye', value: { code: 'forgotten', message: 'terminated', wipe: true } });
    expect(await running.agent.ended).toEqual({ kind: 'wiped' });
    expect(await running.driver.read('wg-sdwan-abc123')).toBeUndefined();
    await expect(readdir(stateDir)).rejects.toThrow(/ENOENT/);
    running = await startAgent(platform, stateDir);
    await eventually('a new stream', () => platform.of('hello').length === 2);
    platform.send({ $case: 'bye', value: { code: 'superseded', message: 'a newer one', wipe: false } });
    expect(await running.agent.ended).toMatchObject({ kind: 'superseded' });
  });

  it('tears nothing down for a revoked certificate: the instance lives, and comes back', async () => {
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length === 1);
    platform.send({ $case: 'bye', value: { code: 'certificate_revoked', message: 'revoked', wipe: true } });
    platform.streams.at(-1)!.end();
    await eventually('a new stream', () => platform.of('hello').length === 2);
    expect(await running.driver.read('wg-sdwan-abc123')).toBeDefined();
    expect(await running.store.wipeBegun('instance-1')).toBeUndefined();
  });

  it('tries again what fails, tells why once, and a Docker that cannot be removed does not hold up K3s', async () => {
    platform.onPhase = () => ({ $case: 'ack', value: agentV1.PhaseAck.fromPartial({}) });
    running = await startAgent(platform, stateDir);
    await eventually('a stream', () => platform.of('hello').length === 1);
    const { docker, modules } = running.agent as unknown as { docker: Docker; modules: Modules };
    const [removeDocker, removeK3s] = [docker.remove.bind(docker), modules.remove.bind(modules)];
    let tries = 0;
    docker.remove = () => (++tries < 4 ? Promise.reject(new Error(`process ${tries} does not end`)) : removeDocker());
    const removed: number[] = [];
    modules.remove = (keepData) => (removed.push(tries), removeK3s(keepData));
    platform.send({ $case: 'bye', value: { code: 'instance_terminated', message: 'over', wipe: true } });
    expect(await running.agent.ended).toEqual({ kind: 'wiped' });
    expect(removed).toEqual([1, 2, 3, 4]);
    const said = platform.phases.map(({ phase, error, left }) => [agentV1.Phase[phase], error, left]);
    expect(said).toEqual([
      ['PHASE_WIPE_STUCK', 'docker: process 2 does not end', []],
      ['PHASE_WIPED', '', []],
    ]);
  });

  it('goes on with a wipe that was cut off, takes K3s’s data away with it, and says so at last', async () => {
    platform.onPhase = () => ({ $case: 'ack', value: agentV1.PhaseAck.fromPartial({}) });
    platform.onHello = (_h, s) => s.write({ message: snapshot([network(7)]) });
    running = await startAgent(platform, stateDir);
    await eventually('a receipt', () => platform.of('applied').length === 1);
    // As it is after a death in the middle: the word of it and K3s's data are there, K3s's units are not.
    await running.store.beginWipe('instance-1', 'instance_terminated');
    await running.agent.stop(false);
    const state = { a: { installing: true, started: 'x', dataId: 'id-1' } };
    await systemFiles.write(join(stateDir, 'phases.json'), JSON.stringify(state));
    const root = await temporaryFolder();
    for (const name of ['drover-data', 'server/node-token'])
      await systemFiles.write(join(root, 'var/lib/rancher/k3s', name), 'id-1');
    running = await startAgent(platform, stateDir, { root });
    expect(await running.agent.ended).toEqual({ kind: 'wiped' });
    expect(await readdir(join(root, 'var/lib'))).toEqual([]);
    expect(await running.driver.read('wg-sdwan-abc123')).toBeUndefined();
    expect(platform.of('hello')).toHaveLength(1);
    const said = platform.phases.filter(({ phase }) => phase === agentV1.Phase.PHASE_WIPED);
    expect(said).toMatchObject([{ removed: [join(root, 'var/lib/rancher/k3s')], left: [] }]);
    await rm(root, { recursive: true });
  });
});

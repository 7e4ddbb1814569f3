import type { InstanceId, NodeId, TemplateId } from '#kernel';
import { given } from '../testing/given.js';
import { instanceDecider, type InstanceCommand } from './decide.js';
import { stuckNext, stuckText } from './stopping.js';
import { MAX_STUCK_REASONS } from './termination.js';

const templateId = 'template-00000000-0000-4000-8000-000000000003' satisfies TemplateId;
const provision: InstanceCommand = {
  kind: 'provision',
  instanceId: 'instance-00000000-0000-4000-8000-000000000001' satisfies InstanceId,
  nodeId: 'node-00000000-0000-4000-8000-000000000002' satisfies NodeId,
  name: 'worker-1',
  templateId,
  driver: 'existing',
  cniPlugin: null,
};
const stop = (stuck: string | null): InstanceCommand => ({ kind: 'runtime_stop', moduleName: 'k3s-agent', stuck });
const assign: InstanceCommand = {
  kind: 'sync_modules',
  templateId,
  templateVersion: 1,
  assignments: [
    {
      ...{ assignment_id: '00000000-0000-4000-8000-000000000004', module_name: 'k3s-agent' },
      ...{ config: {}, priority: 1 },
    } as never,
  ],
  reasons: {},
};
const instance = () => given(instanceDecider).when(provision).then();
const known = (at: ReturnType<typeof instance>) => {
  if (at.state.kind !== 'known') throw new Error('no instance');
  return at.state;
};

describe('a runtime that is to go and does not', () => {
  it('is told once for each reason, with what to do, until it has ended', () => {
    const one = instance().when(stop('k3s has not ended: process 71'));
    expect(one.data).toMatchObject([
      {
        module_name: 'k3s-agent',
        reason: 'k3s has not ended: process 71',
        next_action: expect.stringContaining('systemctl status k3s k3s-agent'),
      },
    ]);
    const stuck = one.then();
    expect(stuckText(known(stuck))).toContain('process 71');
    expect(stuckNext(known(stuck))).toContain('journalctl');
    expect(stuck.when(stop('k3s has not ended: process 8')).reason).toBe('told_before');
    const ended = stuck.when(stop(null));
    expect(ended.events).toEqual(['system.module.stopped']);
    expect(stuckText(known(ended.then()))).toBeUndefined();
    expect(ended.then().when(stop(null)).reason).toBe('was_not_stuck');
  });

  it('says nothing of one that ends at once, and calls nobody without an end', () => {
    expect(instance().when(stop(null)).reason).toBe('was_not_stuck');
    let now = instance();
    for (let n = 0; n < MAX_STUCK_REASONS; n++) now = now.when(stop(`fault ${'x'.repeat(n)}`)).then();
    expect(now.when(stop('another one')).reason).toBe('told_enough');
  });

  it('calls nobody without an end either where its agent says in between that it has gone, until it is assigned again', () => {
    let now = instance();
    const calls: string[] = [];
    for (let n = 0; n < 2 * MAX_STUCK_REASONS; n++) {
      const stuck = now.when(stop('busy'));
      calls.push(...stuck.events);
      now = stuck.then().when(stop(null)).then();
    }
    expect(calls).toEqual(Array.from({ length: MAX_STUCK_REASONS }, () => 'system.module.stop_stuck'));
    expect([stuckText(known(now)), stuckNext(known(now))]).toEqual([undefined, undefined]);
    const again = now.when(assign).then();
    expect(again.when(stop('busy')).events).toEqual(['system.module.stop_stuck']);
  });

  it('is told a second time for the same reason when it was assigned again meanwhile, though it never ended', () => {
    const stuck = instance().when(stop('busy')).then();
    expect(stuck.when(assign).then().when(stop('busy')).events).toEqual(['system.module.stop_stuck']);
  });

  it('is nothing that a machine knows of which was installed anew', () => {
    const certificate = { serial: 's', publicKeyDigest: 'k', notAfter: '2026-02-01T00:00:00.000Z', derBase64: 'AA==' };
    const stuck = instance().when(stop('busy')).then();
    const anew = stuck
      .when({ kind: 'issue_token', tokenId: 't', tokenDigest: 'd', expiresAtMs: 1_000 })
      .then()
      .when({
        ...{ kind: 'enroll', tokenDigest: 'd', publicKeyDigest: 'k', nowMs: 1, certificate },
        ...{ agentVersion: '1', hostname: 'h', machineId: 'm' },
      });
    expect(anew.events).toEqual(['system.instance.enrolled']);
    expect([stuckText(known(anew.then())), stuckNext(known(anew.then()))]).toEqual([undefined, undefined]);
  });

  it('is no trouble any more when it is wanted again, or its machine is over', () => {
    const stuck = instance().when(stop('busy')).then();
    expect(stuckText(known(stuck.when(assign).then()))).toBeUndefined();
    expect(stuckText(known(stuck.when({ kind: 'terminate' }).then()))).toBeUndefined();
  });
});

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

  it('is no trouble any more when it is wanted again, or its machine is over', () => {
    const stuck = instance().when(stop('busy')).then();
    const assignment = { assignment_id: '00000000-0000-4000-8000-000000000004', module_name: 'k3s-agent' };
    const again = stuck.when({
      kind: 'sync_modules',
      templateId,
      templateVersion: 1,
      assignments: [{ ...assignment, config: {}, priority: 1 } as never],
      reasons: {},
    });
    expect(stuckText(known(again.then()))).toBeUndefined();
    expect(stuckText(known(stuck.when({ kind: 'terminate' }).then()))).toBeUndefined();
  });
});

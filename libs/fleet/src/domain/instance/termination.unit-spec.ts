import type { InstanceId, NodeId, TemplateId } from '#kernel';
import { given } from '../testing/given.js';
import { instanceDecider, type InstanceCommand } from './decide.js';
import { MAX_STUCK_REASONS } from './termination.js';

const provision: InstanceCommand = {
  kind: 'provision',
  instanceId: 'instance-00000000-0000-4000-8000-000000000001' satisfies InstanceId,
  nodeId: 'node-00000000-0000-4000-8000-000000000002' satisfies NodeId,
  name: 'server-1',
  templateId: 'template-00000000-0000-4000-8000-000000000003' satisfies TemplateId,
  driver: 'existing',
  cniPlugin: null,
};

describe('a machine that does not become clean after the end', () => {
  const stuck = (reason: string): InstanceCommand => ({ kind: 'wipe_stuck', reason });
  const over = () => given(instanceDecider).when(provision).then().when({ kind: 'terminate' }).then();

  it('is told once for each reason, whatever numbers are in it', () => {
    const one = over().when(stuck('pid 71 has not ended after 30 s'));
    expect(one.data).toMatchObject([{ reason: 'pid 71 has not ended after 30 s' }]);
    expect(one.then().when(stuck('pid 8 has not ended after 9 s')).reason).toBe('told_before');
    const two = one.then().when(stuck('docker: busy'));
    expect(two.events).toEqual(['system.instance.wipe_stuck']);
    expect(two.then().when(stuck('pid 9 has not ended after 9 s')).reason).toBe('told_before');
  });

  it('calls nobody without an end, whatever else it says each time', () => {
    const word = (n: number) => stuck(`fault ${'x'.repeat(n)}`);
    let now = over();
    for (let n = 0; n < MAX_STUCK_REASONS; n++) now = now.when(word(n)).then();
    expect(now.when(word(MAX_STUCK_REASONS)).reason).toBe('told_enough');
    expect(now.when({ kind: 'wiped', removed: [], left: [] }).events).toEqual(['system.instance.wiped']);
  });
});

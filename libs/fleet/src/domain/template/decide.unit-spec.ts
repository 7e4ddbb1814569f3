import type { TemplateId } from '#kernel';
import { given } from '../testing/given.js';
import { templateDecider, type TemplateCommand } from './decide.js';
import { activeAssignments } from './state.js';

const TEMPLATE: TemplateId = 'template-00000000-0000-4000-8000-000000000003';
const create: TemplateCommand = {
  kind: 'create',
  templateId: TEMPLATE,
  name: 'servers',
  description: '',
  driver: null,
};
const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const assign = (n: number, config: Record<string, unknown> = {}, moduleName = 'k3s-server'): TemplateCommand => ({
  kind: 'assign',
  moduleName,
  config,
  priority: 100,
  enabled: true,
  newAssignmentId: id(n),
});
const template = () => given(templateDecider).when(create).then();

describe('a template', () => {
  it('refuses a module that does not exist and names the nearest', () => {
    const { decision } = template().when(assign(1, {}, 'k3s-sever'));
    expect(decision).toMatchObject({
      kind: 'reject',
      refusal: { status: 404, code: 'module_not_found', field: 'module_name', hint: 'did you mean k3s-server?' },
    });
  });

  it('keeps an assignment under one id: again is nothing, another config is an event, unassigned and assigned is a new one', () => {
    const once = template().when(assign(1)).then();
    expect(once.when(assign(2)).reason).toBe('assigned_before');
    expect(once.when(assign(2, { target_cluster_id: 'x' })).data).toMatchObject([{ assignment_id: id(1) }]);
    const gone = once.when({ kind: 'unassign', moduleName: 'k3s-server' }).then();
    expect(gone.when({ kind: 'unassign', moduleName: 'k3s-server' }).reason).toBe('not_assigned');
    expect(gone.when(assign(2)).data).toMatchObject([{ assignment_id: id(2) }]);
  });

  it('refuses a configuration that bears a secret, without repeating it: assignments stand in the log for good', () => {
    const { decision } = template().when(assign(1, { registry: { password: 'hunter2' } }));
    expect(decision).toMatchObject({
      kind: 'reject',
      refusal: { status: 422, code: 'secret_in_config', field: 'config.registry.password' },
    });
    expect(JSON.stringify(decision)).not.toContain('hunter2');
    expect(template().when(assign(1, { 'secrets-encryption': true })).data).toHaveLength(1);
  });

  it('takes a suspended assignment out of force, and assigning again resumes it', () => {
    const suspend: TemplateCommand = { kind: 'suspend', assignmentId: id(1), reason: 'decommissioned' };
    const suspended = template().when(assign(1)).then().when(suspend).then();
    expect(activeAssignments(suspended.state)).toEqual([]);
    expect(suspended.when(suspend).reason).toBe('not_in_force');
    const resumed = suspended.when(assign(2)).then();
    expect(activeAssignments(resumed.state)).toMatchObject([{ assignment_id: id(1), suspended: null }]);
  });

  it('is deleted only when nothing uses it, and then for good', () => {
    const usedBy = [{ id: 'node-1', name: 'server-1' }];
    expect(template().when({ kind: 'delete', usedBy }).decision).toMatchObject({
      refusal: { status: 409, code: 'template_in_use', candidates: usedBy },
    });
    const deleted = template().when({ kind: 'delete', usedBy: [] }).then();
    expect(deleted.when({ kind: 'delete', usedBy: [] }).reason).toBe('deleted_before');
    expect(deleted.when(assign(1)).refused).toBe('template_deleted');
    expect(given(templateDecider).when(assign(1)).refused).toBe('template_not_found');
  });

  it('changes what is given and nothing else', () => {
    const updated = template().when({ kind: 'update', description: 'x', name: 'servers' });
    expect(updated.data).toEqual([{ template_id: TEMPLATE, description: 'x' }]);
    expect(template().when({ kind: 'update', name: 'servers' }).reason).toBe('no_change');
  });
});

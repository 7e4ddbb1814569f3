import type { InstanceId, NodeId, TemplateId } from '#kernel';
import { given } from '../testing/given.js';
import { instanceDecider, type InstanceCommand } from './decide.js';
import { statusOf, type InstanceEvent } from './state.js';

const INSTANCE: InstanceId = 'instance-00000000-0000-4000-8000-000000000001';
const NODE: NodeId = 'node-00000000-0000-4000-8000-000000000002';
const TEMPLATE: TemplateId = 'template-00000000-0000-4000-8000-000000000003';
const OTHER: TemplateId = 'template-00000000-0000-4000-8000-000000000004';
const ASSIGNMENT = '00000000-0000-4000-8000-000000000005';
const NOW = Date.UTC(2026, 0, 1);

const provision: InstanceCommand = {
  kind: 'provision',
  instanceId: INSTANCE,
  nodeId: NODE,
  name: 'server-1',
  templateId: TEMPLATE,
  driver: 'existing',
  cniPlugin: null,
};
const issue = (token: string): InstanceCommand => ({
  kind: 'issue_token',
  tokenId: `id-of-${token}`,
  tokenDigest: token,
  expiresAtMs: NOW + 1_000,
});
const enroll = (token: string, key: string, nowMs = NOW): InstanceCommand => ({
  kind: 'enroll',
  tokenDigest: token,
  publicKeyDigest: key,
  nowMs,
  certificate: {
    serial: `serial-${key}`,
    publicKeyDigest: key,
    notAfter: '2026-02-01T00:00:00.000Z',
    derBase64: 'AA==',
  },
  agentVersion: '1',
  hostname: 'h',
  machineId: 'm',
});
const presence = {
  boot_id: 'b1',
  agent_version: '1',
  architecture: 'x64',
  hostname: 'h',
  memory_bytes: 1,
  underlay_addresses: ['192.0.2.1'],
  capabilities: {},
};
const online: InstanceCommand = { kind: 'online', presence };
const assignment = (config: Record<string, unknown> = {}) => ({
  assignment_id: ASSIGNMENT,
  module_name: 'k3s-server',
  config,
  priority: 100,
  enabled: true,
  suspended: null,
});
const sync = (templateVersion: number, ...assignments: ReturnType<typeof assignment>[]): InstanceCommand => ({
  kind: 'sync_modules',
  templateId: TEMPLATE,
  templateVersion,
  assignments,
  reasons: {},
});

/** Carries out commands one after the other; every one must be accepted. */
const after = (...commands: readonly InstanceCommand[]) => {
  let now = given<Parameters<typeof instanceDecider.evolve>[0], InstanceCommand, InstanceEvent>(instanceDecider);
  for (const command of commands) {
    const step = now.when(command);
    if (step.decision.kind !== 'accept') throw new Error(`${command.kind}: ${JSON.stringify(step.decision)}`);
    now = step.then();
  }
  return now;
};
const status = (g: ReturnType<typeof after>) => (g.state.kind === 'absent' ? 'absent' : statusOf(g.state));
const running = [provision, issue('t1'), enroll('t1', 'k1'), online] as const;

describe('an instance', () => {
  it('goes provisioning, starting, running', () => {
    expect(status(after(provision))).toBe('provisioning');
    expect(status(after(provision, issue('t1'), enroll('t1', 'k1')))).toBe('starting');
    expect(status(after(...running))).toBe('running');
  });

  it('is one per incarnation: a second provisioning is refused while it lives, and told to count on when it is over', () => {
    expect(after(provision).when(provision).refused).toBe('instance_exists');
    expect(after(provision, { kind: 'terminate' }).when(provision).refused).toBe('incarnation_over');
  });

  it('is lost and returns; reconnecting with nothing new is no event, and new facts are', () => {
    const lost = after(...running, { kind: 'lost', silentMs: 3_000.4 });
    expect(status(lost)).toBe('lost');
    expect(lost.when({ kind: 'lost', silentMs: 9_000 }).reason).toBe('not_present');
    expect(lost.when({ kind: 'returned' }).events).toEqual(['system.instance.returned']);
    expect(lost.when(online).events).toEqual(['system.instance.returned']);
    const here = after(...running);
    expect(here.when(online).reason).toBe('known');
    const turned = { ...presence, underlay_addresses: ['192.0.2.1', '192.0.2.2'].reverse() };
    const two = here.when({ kind: 'online', presence: turned }).then();
    expect(
      two.when({ kind: 'online', presence: { ...turned, underlay_addresses: ['192.0.2.1', '192.0.2.2'] } }).reason,
    ).toBe('known');
    expect(here.when({ kind: 'online', presence: { ...presence, boot_id: 'b2' } }).events).toEqual([
      'system.instance.online',
    ]);
    expect(here.when({ kind: 'returned' }).reason).toBe('not_lost');
  });

  it('drains, is drained, and goes back to work; a loss in between does not end the drain', () => {
    const drain: InstanceCommand = { kind: 'request_drain', timeoutSeconds: 60 };
    const drained: InstanceCommand = { kind: 'mark_drained', evictedPods: 2, warnings: [] };
    expect(after(provision).when(drain).refused).toBe('instance_not_running');
    expect(status(after(...running, drain))).toBe('draining');
    expect(after(...running, drain).when(drain).reason).toBe('draining_already');
    const back = after(...running, drain, { kind: 'lost', silentMs: 1 }, { kind: 'returned' });
    expect(status(back)).toBe('draining');
    expect(status(after(...running, drain, drained))).toBe('drained');
    expect(status(after(...running, drain, drained, { kind: 'uncordon' }))).toBe('running');
    expect(after(...running).when(drained).reason).toBe('not_draining');
  });

  it('ends for good: reports about it are ignored, requests are refused, and its end is idempotent', () => {
    const over = after(...running, { kind: 'terminate' });
    expect(over.when({ kind: 'terminate' }).reason).toBe('terminated_before');
    expect(over.when({ kind: 'lost', silentMs: 1 }).reason).toBe('instance_gone');
    expect(over.when(sync(9, assignment())).reason).toBe('instance_gone');
    expect(over.when(online).refused).toBe('instance_terminated');
    expect(over.when(issue('t9')).refused).toBe('instance_terminated');
    expect(status(after(...running, { kind: 'terminate' }, { kind: 'forget' }))).toBe('forgotten');
    expect(given(instanceDecider).when({ kind: 'terminate' }).refused).toBe('instance_not_found');
  });

  it('records a failed provisioning only while it waits for its machine', () => {
    const failed: InstanceCommand = { kind: 'provision_failed', reason: 'no capacity' };
    expect(status(after(provision, failed))).toBe('error');
    expect(after(...running).when(failed).reason).toBe('not_provisioning');
    expect(status(after(provision, issue('t1'), failed, enroll('t1', 'k1')))).toBe('starting');
  });
});

describe('a join token', () => {
  it('works once, for one key, until it expires', () => {
    const used = after(provision, issue('t1'), enroll('t1', 'k1'));
    expect(used.when(enroll('t1', 'k1', NOW + 999)).reason).toBe('enrolled_before');
    expect(used.when(enroll('t1', 'k1', NOW + 1_000)).refused).toBe('join_token_used');
    expect(used.when(enroll('t1', 'k2')).refused).toBe('join_token_used');
    expect(after(provision, issue('t1')).when(enroll('t1', 'k1', NOW + 1_000)).refused).toBe('join_token_expired');
    expect(after(provision, issue('t1')).when(enroll('t2', 'k1')).refused).toBe('join_token_unknown');
  });

  it('does not bring a revoked certificate back', () => {
    const revoked = after(provision, issue('t1'), enroll('t1', 'k1'), { kind: 'revoke', reason: 'stolen' });
    expect(revoked.when(enroll('t1', 'k1')).refused).toBe('join_token_used');
    const rejoined = revoked.when(issue('t2')).then();
    expect(rejoined.when(enroll('t2', 'k2')).events).toEqual(['system.instance.enrolled']);
  });
});

describe("an instance's modules", () => {
  it('become what the template says, under the kind of the module family', () => {
    const carried = given(instanceDecider, ...[])
      .when(provision)
      .then()
      .when(sync(2, assignment()));
    expect(carried.events).toEqual(['system.k3s.module.assigned']);
    expect(carried.then().when(sync(2, assignment())).reason).toBe('in_sync');
    const changed = carried.then().when(sync(3, assignment({ a: 1 })));
    expect(changed.data).toMatchObject([{ assignment_id: ASSIGNMENT, config: { a: 1 }, template_version: 3 }]);
    expect(carried.then().when(sync(3)).events).toEqual(['system.module.removed']);
  });

  it('are never set back by an older view of the template, nor by another template', () => {
    const newer = after(provision, sync(5, assignment()));
    expect(newer.when(sync(4)).reason).toBe('older_view');
    expect(newer.when({ ...sync(9), templateId: OTHER } as InstanceCommand).reason).toBe('other_template');
    const moved = after(provision, sync(5, assignment()), { kind: 'change_template', templateId: OTHER });
    expect(moved.when({ ...sync(1), templateId: OTHER } as InstanceCommand).events).toEqual(['system.module.removed']);
  });

  it('report their installation and their failures once', () => {
    const installing: InstanceCommand = { kind: 'installing', moduleName: 'k3s-server' };
    const failed: InstanceCommand = { kind: 'runtime_failed', moduleName: 'k3s-server', reason: 'no space' };
    const one = after(provision, sync(2, assignment()), installing);
    expect(one.when(installing).reason).toBe('installing_already');
    expect(one.when(failed).events).toEqual(['system.module.failed']);
    expect(one.when(failed).then().when(failed).reason).toBe('failed_already');
    // It was well meanwhile, as the runtime's own context knows: then the same is another failure.
    expect(
      one
        .when(failed)
        .then()
        .when({ ...failed, anew: true } as InstanceCommand).events,
    ).toEqual(['system.module.failed']);
  });

  describe('that were told as in trouble', () => {
    const [began, ran] = ['2026-01-01T00:00:10.000Z', '2026-01-01T00:05:00.400Z'];
    const failed: InstanceCommand = { kind: 'runtime_failed', moduleName: 'k3s-server', reason: 'no space' };
    const recovered = (failures: number): InstanceCommand => ({
      kind: 'module_recovered',
      assignmentId: ASSIGNMENT,
      failures,
      since: began,
      until: ran,
    });
    const install: InstanceCommand = { kind: 'installing', moduleName: 'k3s-server' };
    const told = {
      module_name: 'k3s-server',
      assignment_id: ASSIGNMENT,
      to: 'running',
      since: began,
      lasted_seconds: 290,
    };

    it('are told as recovered once, with what was the matter and for how long, and what fails then is another failure', () => {
      const over = after(...running, sync(2, assignment()), failed).when(recovered(1));
      expect(over.data).toMatchObject([{ ...told, from: 'failed', reason: 'no space' }]);
      expect(over.then().when(recovered(1)).reason).toBe('not_in_trouble');
      expect(over.then().when(failed).events).toEqual(['system.module.failed']);
      expect(over.then().when(failed).then().when(recovered(1)).reason).toBe('failed_since');
      expect(over.then().when(failed).then().when(recovered(2)).events).toEqual(['system.module.recovered']);
    });

    it('recover also of what was installed or configured anew after it had failed, and of an overdue installation', () => {
      const base = [...running, sync(2, assignment())];
      expect(after(...base, failed, install).when(recovered(1)).data).toMatchObject([{ from: 'failed' }]);
      const anew = after(...base, failed, sync(3, assignment({ a: 1 })));
      expect(anew.when(recovered(1)).data).toMatchObject([{ from: 'failed', reason: 'no space' }]);
      // What it does meanwhile is not undone by that.
      const now = anew.when(recovered(1)).then().state;
      expect(now).toMatchObject({ modules: { [ASSIGNMENT]: { status: 'assigned' } } });
      const late = { kind: 'module_overdue', assignmentId: ASSIGNMENT, status: 'installing', boundMs: 1_000 } as const;
      const overdue = after(...base, install, { ...late, since: began });
      expect(overdue.when(recovered(0)).data).toMatchObject([{ ...told, from: 'installing' }]);
    });

    it('are not where nothing was told of them, nor where they or their machine are gone', () => {
      const base = [...running, sync(2, assignment())];
      expect(after(...base, install).when(recovered(0)).reason).toBe('not_in_trouble');
      expect(after(...base, failed, sync(3)).when(recovered(1)).reason).toBe('not_in_trouble');
      expect(after(...base, failed, { kind: 'terminate' }).when(recovered(1)).reason).toBe('instance_gone');
    });

    it('recover in streams of before this was told: only the last failure counts, and only with all that were told', () => {
      const old = after(...running, sync(2, assignment()), failed, { ...failed, anew: true } as InstanceCommand);
      expect(old.when(recovered(1)).reason).toBe('failed_since');
      expect(old.when(recovered(2)).events).toEqual(['system.module.recovered']);
    });
  });
});

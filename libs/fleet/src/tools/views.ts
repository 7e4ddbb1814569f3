import type { z } from 'zod';
import { isoTime } from '#kernel';
import { statusOfState } from '#tools';
import { moduleBoundMs, moduleNext, type ModuleStage } from '../domain/instance/outlook.js';
import { statusOf } from '../domain/instance/state.js';
import type { InstanceDoc, NodeDoc, TemplateDoc } from '../projections/index.js';
import type { JoinOffer } from '../provisioning/driver.js';
import type { assignmentShape, instanceShape, joinShape, nodeShape, templateShape } from './shapes.js';

/** What becomes of it on the machines is told by each instance and its generations. */
const assignmentView = (a: TemplateDoc['template']['assignments'][string]): z.input<typeof assignmentShape> => {
  const state = a.suspended !== null ? ('suspended' as const) : a.enabled ? ('active' as const) : ('disabled' as const);
  const why = { active: 'InForce', disabled: 'Disabled', suspended: 'Suspended' }[state];
  return {
    id: a.assignment_id,
    module_name: a.module_name,
    config: { ...a.config },
    priority: a.priority,
    enabled: a.enabled,
    state,
    suspended_reason: a.suspended,
    ...statusOfState({
      state,
      ready: ['active'],
      progressing: [],
      resting: ['disabled', 'suspended'],
      also: [
        {
          type: 'InForce',
          holds: state === 'active',
          reason: why,
          message:
            a.suspended ?? (state === 'active' ? 'every instance of the template gets it' : 'no instance gets it'),
        },
      ],
    }),
  };
};

export const templateView = (doc: TemplateDoc, nodeCount: number): z.input<typeof templateShape> => ({
  id: doc.id,
  name: doc.template.name,
  description: doc.template.description,
  driver: doc.template.driver,
  module_assignments: Object.values(doc.template.assignments).map(assignmentView),
  node_count: nodeCount,
  created_at: doc.created_at,
  updated_at: doc.updated_at,
  ...statusOfState({ state: 'defined', ready: ['defined'], progressing: [], since: doc.created_at }),
});

const machineOf = ({ live_instance_id, instance_ids }: NodeDoc): string => {
  if (live_instance_id !== null) return 'it has a machine';
  return instance_ids.length === 0 ? 'it has no machine yet' : 'it has no machine now';
};

export const nodeView = (doc: NodeDoc): z.input<typeof nodeShape> => ({
  id: doc.id,
  name: doc.name,
  hostname: doc.name,
  template_id: doc.template_id,
  description: doc.description,
  instance_id: doc.live_instance_id,
  instance_count: doc.instance_ids.length,
  created_at: doc.created_at,
  ...statusOfState({
    state: doc.live_instance_id === null ? 'without_machine' : 'has_machine',
    ready: ['has_machine'],
    progressing: ['without_machine'],
    message: machineOf(doc),
  }),
});

export const instanceView = (doc: InstanceDoc): z.input<typeof instanceShape> => {
  const { instance } = doc;
  const { presence } = instance;
  return {
    id: doc.id,
    name: instance.name,
    node_id: instance.nodeId,
    template_id: instance.templateId,
    driver: instance.driver,
    state: statusOf(instance),
    status: statusOf(instance),
    state_since: doc.state_since,
    deadline_at: doc.deadline_at,
    last_error: doc.last_error,
    next_action: doc.next_action,
    drain: instance.drain,
    enrolled: instance.certificate !== null,
    cni_plugin: instance.cniPlugin,
    hostname: presence?.hostname ?? null,
    architecture: presence?.architecture ?? null,
    agent_version: presence?.agent_version ?? null,
    memory_bytes: presence?.memory_bytes ?? null,
    underlay_addresses: [...(presence?.underlay_addresses ?? [])],
    capabilities: { ...presence?.capabilities },
    certificate_not_after: instance.certificate?.notAfter ?? null,
    modules: doc.modules.map(({ assignment_id, module_name, status, error, config, since }) => ({
      assignment_id,
      module_name,
      status,
      error,
      config: { ...config },
      since,
      deadline_at: moduleDeadline(status, since),
      next_action: moduleNext(status),
    })),
    created_at: doc.created_at,
    updated_at: doc.updated_at,
    ...statusOfState({
      state: statusOf(instance),
      ready: ['running'],
      progressing: ['pending', 'provisioning', 'starting', 'draining', 'stopping'],
      resting: ['drained', 'terminated', 'forgotten'],
      since: doc.state_since,
      error: doc.last_error,
      generation: doc.wanted.generation,
      observedGeneration: doc.wanted.observed,
    }),
  };
};

const moduleDeadline = (status: ModuleStage, since: string): string | null => {
  const bound = moduleBoundMs(status);
  return bound === null ? null : isoTime(Date.parse(since) + bound);
};

export const joinView = (join: JoinOffer): z.input<typeof joinShape> => ({
  command: join.command,
  token: join.token,
  expires_at: join.expiresAt,
  enroll_address: join.enrollAddress,
  ca_pin: join.caPin,
});

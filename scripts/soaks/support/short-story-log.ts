import type { RecordedEvent } from '#event-store';
import type { Acknowledged } from './patient-operator.js';

/** Each subject has exactly one of these, and there are this many subjects. */
const ONCE: readonly (readonly [type: string, by: string, subjects: number])[] = [
  ['system.sdwan.network.created', 'network_id', 1],
  ['system.template.created', 'template_id', 3],
  ['system.template.module_assigned', 'template_id', 2],
  ['system.node.created', 'node_id', 4],
  ['system.instance.created', 'instance_id', 4],
  ['system.instance.provision_requested', 'instance_id', 4],
  ['system.instance.enrolled', 'instance_id', 3],
  ['system.instance.online', 'instance_id', 3],
  ['system.k3s.module.assigned', 'instance_id', 3],
  ['system.k3s.runtime.installing', 'instance_id', 3],
  ['system.cluster.claimed', 'cluster_id', 1],
  ['system.sdwan.virtual_ip.reserved', 'virtual_ip_id', 1],
  ['system.k3s.handshake.bootstrap', 'cluster_id', 1],
  ['system.sdwan.virtual_ip.allocated', 'virtual_ip_id', 1],
  ['system.k3s.cluster.bootstrapped', 'cluster_id', 1],
  ['system.k3s.handshake.join_request', 'instance_id', 2],
  ['system.k3s.handshake.ready', 'instance_id', 3],
  ['system.instance.drain_requested', 'instance_id', 2],
  ['system.instance.drained', 'instance_id', 2],
  ['system.instance.terminated', 'instance_id', 2],
  ['system.k3s.node.left', 'instance_id', 1],
  ['system.access.master_key_rotation_started', 'fingerprint', 1],
  ['system.access.master_key_rotated', 'fingerprint', 1],
];

/** No crash is a reason for any of these. */
const NEVER = [
  'system.instance.enrollment_refused',
  'system.instance.provision_failed',
  'system.instance.cloned',
  'system.instance.certificate_revoked',
  'system.instance.overdue',
  'system.module.failed',
  'system.cluster.claim_moved',
  'system.k3s.handshake.join_refused',
  'system.k3s.cluster.decommissioned',
];
/** The platform's own crash is no agent's loss. */
const NEVER_BY_PLATFORM = ['system.instance.lost', 'system.k3s.cluster.degraded', 'system.sdwan.virtual_ip.stranded'];

const counted = (values: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
};

const once = (events: readonly RecordedEvent[]): string[] =>
  ONCE.flatMap(([type, by, subjects]) => {
    const seen = counted(events.filter((e) => e.type === type).map((e) => String(e.data[by])));
    const doubled = [...seen].filter(([, times]) => times > 1).map(([of, times]) => `${type} ${times} times for ${of}`);
    return seen.size === subjects ? doubled : [...doubled, `${type} for ${seen.size} subjects, expected ${subjects}`];
  });

/** Epochs of a virtual IP end once, and rise. */
const moves = (events: readonly RecordedEvent[]): string[] => {
  const ended = events
    .filter((e) => e.type === 'system.sdwan.virtual_ip.moved')
    .map((e) => `${String(e.data['virtual_ip_id'])} epoch ${String(e.data['epoch'])}`);
  const twice = [...counted(ended)].filter(([, times]) => times > 1);
  return [
    ...twice.map(([which, times]) => `system.sdwan.virtual_ip.moved ${times} times for ${which}`),
    ...(ended.length > 0 ? [] : ['the virtual IP never moved']),
  ];
};

/** A call that was answered `done` stands in the log; repeating it under its key adds nothing. */
const acknowledgements = (events: readonly RecordedEvent[], calls: readonly Acknowledged[]): string[] => {
  const byOperator = events.filter((e) => e.meta.actor.kind === 'operator');
  return calls.flatMap(({ tool, args, answer }) => {
    if (answer.outcome !== 'done') return [];
    const own = byOperator.filter((e) => e.meta.correlationId === answer.correlation_id);
    if (own.length === 0) return [`${tool} ${JSON.stringify(args)} was acknowledged and is not in the log`];
    const facts = counted(own.map((e) => `${e.meta.commandId} ${e.stream} ${e.type} ${JSON.stringify(e.data)}`));
    return [...facts].filter(([, times]) => times > 1).map(([fact]) => `${tool}: twice in the log: ${fact}`);
  });
};

/** The agent of the instance that was terminated asks once more, and is told so. */
const isAfterItsEnd = ({ type, data }: RecordedEvent): boolean =>
  type === 'system.instance.enrollment_refused' && data['code'] === 'instance_terminated';

/** Where the log of a short story differs from what it must be, whoever crashed or stalled meanwhile. */
export const problemsOfShortStory = (
  events: readonly RecordedEvent[],
  acknowledged: readonly Acknowledged[],
  agentsCrashed: boolean,
): string[] => {
  const never = agentsCrashed ? NEVER : [...NEVER, ...NEVER_BY_PLATFORM];
  return [
    ...once(events),
    ...moves(events),
    ...acknowledgements(events, acknowledged),
    ...events
      .filter((e) => never.includes(e.type) && !isAfterItsEnd(e))
      .map((e) => `${e.type}: ${JSON.stringify(e.data)}`),
  ];
};

import type { RecordedEvent } from '#event-store';

/** A kind of event of tutorial 04: each subject has exactly one, and there are this many subjects. */
interface Once {
  readonly type: string;
  readonly by: string;
  readonly subjects: number | 'some';
}
const MACHINES = 4;
const JOINERS = 3;

const ONCE: readonly Once[] = [
  { type: 'system.sdwan.network.created', by: 'network_id', subjects: 1 },
  { type: 'system.template.created', by: 'template_id', subjects: 2 },
  { type: 'system.template.module_assigned', by: 'template_id', subjects: 2 },
  { type: 'system.node.created', by: 'node_id', subjects: MACHINES },
  { type: 'system.instance.created', by: 'instance_id', subjects: MACHINES },
  { type: 'system.instance.provision_requested', by: 'instance_id', subjects: MACHINES },
  { type: 'system.instance.enrolled', by: 'instance_id', subjects: MACHINES },
  { type: 'system.instance.online', by: 'instance_id', subjects: MACHINES },
  { type: 'system.k3s.module.assigned', by: 'instance_id', subjects: MACHINES },
  { type: 'system.k3s.runtime.installing', by: 'instance_id', subjects: MACHINES },
  { type: 'system.cluster.claimed', by: 'cluster_id', subjects: 1 },
  { type: 'system.sdwan.virtual_ip.reserved', by: 'virtual_ip_id', subjects: 1 },
  { type: 'system.k3s.handshake.bootstrap', by: 'cluster_id', subjects: 1 },
  { type: 'system.sdwan.virtual_ip.allocated', by: 'virtual_ip_id', subjects: 1 },
  { type: 'system.k3s.cluster.bootstrapped', by: 'cluster_id', subjects: 1 },
  { type: 'system.k3s.handshake.join_request', by: 'instance_id', subjects: JOINERS },
  { type: 'system.k3s.handshake.join_token_issued', by: 'instance_id', subjects: JOINERS },
  { type: 'system.k3s.handshake.ready', by: 'instance_id', subjects: MACHINES },
  { type: 'system.instance.drain_requested', by: 'instance_id', subjects: 1 },
  // A kill in the middle of a move may end that epoch; the next one then moves on. Never two ends of one epoch.
  { type: 'system.sdwan.virtual_ip.moved', by: 'epoch', subjects: 'some' },
  { type: 'system.instance.drained', by: 'instance_id', subjects: 1 },
];

/** No kill of the platform is a reason for any of these: agents, machines and the VIP did nothing wrong. */
const NEVER = [
  'system.instance.enrollment_refused',
  'system.instance.provision_failed',
  'system.instance.lost',
  'system.instance.cloned',
  'system.instance.certificate_revoked',
  'system.module.failed',
  'system.cluster.claim_moved',
  'system.k3s.handshake.join_refused',
  'system.k3s.cluster.degraded',
  'system.k3s.cluster.decommissioned',
  'system.sdwan.virtual_ip.stranded',
];

const BOOTSTRAP_ORDER = [
  'system.cluster.claimed',
  'system.k3s.handshake.bootstrap',
  'system.sdwan.virtual_ip.allocated',
  'system.k3s.cluster.bootstrapped',
  'system.k3s.handshake.ready',
  'system.instance.drain_requested',
  'system.sdwan.virtual_ip.moved',
  'system.instance.drained',
];
const MACHINE_ORDER = [
  'system.instance.created',
  'system.instance.provision_requested',
  'system.instance.enrolled',
  'system.instance.online',
  'system.k3s.module.assigned',
  'system.k3s.runtime.installing',
  'system.k3s.handshake.join_request',
  'system.k3s.handshake.join_token_issued',
  'system.k3s.handshake.ready',
];

const subjectOf = (event: RecordedEvent, by: string): string => String(event.data[by]);

const doubledOrMissing = (events: readonly RecordedEvent[]): string[] =>
  ONCE.flatMap(({ type, by, subjects }) => {
    const seen = new Map<string, number>();
    for (const event of events)
      if (event.type === type) seen.set(subjectOf(event, by), (seen.get(subjectOf(event, by)) ?? 0) + 1);
    const doubled = [...seen].filter(([, count]) => count > 1).map(([of, count]) => `${type} ${count} times for ${of}`);
    const enough = subjects === 'some' ? seen.size > 0 : seen.size === subjects;
    return enough ? doubled : [...doubled, `${type} for ${seen.size} subjects, expected ${subjects}`];
  });

/** The first of each kind, in the order they stand in the log; kinds that do not occur at all do not count. */
const outOfOrder = (about: string, events: readonly RecordedEvent[], order: readonly string[]): string[] => {
  const first = order
    .map((type) => ({ type, position: events.find((e) => e.type === type)?.position }))
    .filter((one) => one.position !== undefined);
  return first.slice(1).flatMap((one, i) => {
    const before = first[i]!;
    return one.position! > before.position! ? [] : [`${about}: ${one.type} stands before ${before.type}`];
  });
};

const attachments = (events: readonly RecordedEvent[]): string[] => {
  const nodes = events
    .filter((e) => e.type === 'system.sdwan.peer.attached' && e.data['kind'] === 'node')
    .map((e) => String(e.data['instance_id']));
  const addresses = events
    .filter((e) => e.type === 'system.sdwan.peer.attached')
    .map((e) => String(e.data['address_v6']));
  return [
    ...(nodes.length === MACHINES && new Set(nodes).size === MACHINES
      ? []
      : [`system.sdwan.peer.attached for ${nodes.join(', ')}; expected each of the ${MACHINES} machines once`]),
    ...(new Set(addresses).size === addresses.length ? [] : [`an overlay address twice: ${addresses.join(', ')}`]),
  ];
};

/** Where the log of a played tutorial differs from what it must be, however often the platform was killed meanwhile. */
export const problemsOfTutorial = (events: readonly RecordedEvent[]): string[] => {
  const machines = new Set(
    events.filter((e) => e.type === 'system.instance.created').map((e) => subjectOf(e, 'instance_id')),
  );
  const bootstrapper = events.find((e) => e.type === 'system.k3s.handshake.bootstrap');
  return [
    ...doubledOrMissing(events),
    ...attachments(events),
    ...events.filter((e) => NEVER.includes(e.type)).map((e) => `${e.type}: ${JSON.stringify(e.data)}`),
    ...outOfOrder('the cluster', events, BOOTSTRAP_ORDER),
    ...[...machines].flatMap((id) =>
      outOfOrder(
        id === bootstrapper?.data['instance_id'] ? `${id} (bootstrap)` : id,
        events.filter((e) => e.data['instance_id'] === id),
        MACHINE_ORDER,
      ),
    ),
  ];
};

import type { RecordedEvent } from '#event-store';
import type { SubjectKind } from './subject.js';
import { named, type Names } from './words.js';

export interface Phase {
  readonly name: string;
  /** Whose phase it is. */
  readonly of: string;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly duration_ms: number | null;
  readonly outcome: 'done' | 'failed' | 'open';
}

interface Rule {
  readonly name: string;
  readonly from: RegExp;
  readonly to: RegExp;
  readonly failed?: RegExp;
  /** Whose stories hold it from beginning to end. */
  readonly in: readonly SubjectKind[];
  /** What tells one phase from a parallel one of another thing. */
  readonly by: 'instance_id' | 'peer_id' | 'cluster_id' | 'stream' | 'epoch' | 'runtime';
}

const EVERYWHERE: readonly SubjectKind[] = ['instance', 'cluster', 'virtual_ip'];

const RULES: readonly Rule[] = [
  {
    name: 'provisioning',
    in: ['instance'],
    from: /instance\.provision_requested$/,
    to: /instance\.enrolled$/,
    failed: /instance\.(provision_failed|enrollment_refused|terminated)$/,
    by: 'instance_id',
  },
  { name: 'connecting', in: ['instance'], from: /instance\.enrolled$/, to: /instance\.online$/, by: 'instance_id' },
  {
    name: 'joining the network',
    in: ['instance'],
    from: /sdwan\.peer\.attached$/,
    to: /sdwan\.peer\.connected$/,
    failed: /sdwan\.peer\.detached$/,
    by: 'peer_id',
  },
  {
    name: 'waiting to install',
    in: ['instance', 'cluster'],
    from: /module\.assigned$/,
    to: /runtime\.installing$/,
    failed: /module\.(failed|removed)$/,
    by: 'instance_id',
  },
  {
    name: 'pushing modules',
    in: ['instance', 'cluster'],
    from: /module\.(assigned|removed)$/,
    to: /module\.generation_applied$/,
    failed: /module\.generation_failed$/,
    by: 'instance_id',
  },
  {
    name: 'installing',
    in: ['instance', 'cluster'],
    from: /runtime\.installing$/,
    to: /handshake\.(bootstrap|join_request|wants_cert)$/,
    failed: /(module\.failed|join_refused)$/,
    by: 'instance_id',
  },
  {
    name: 'bootstrapping',
    in: ['instance', 'cluster'],
    from: /k3s\.handshake\.bootstrap$/,
    to: /k3s\.handshake\.ready$/,
    failed: /module\.failed$/,
    by: 'instance_id',
  },
  {
    name: 'joining the cluster',
    in: ['instance', 'cluster'],
    from: /k3s\.handshake\.join_request$/,
    to: /k3s\.handshake\.ready$/,
    failed: /(join_refused|module\.failed)$/,
    by: 'instance_id',
  },
  {
    name: 'cluster coming up',
    in: EVERYWHERE,
    from: /^system\.cluster\.claimed$/,
    to: /k3s\.cluster\.bootstrapped$/,
    by: 'stream',
  },
  {
    name: 'rolling out',
    in: ['cluster'],
    from: /k3s\.rollout\.started$/,
    to: /k3s\.rollout\.finished$/,
    failed: /decommissioned$/,
    by: 'cluster_id',
  },
  {
    name: 'restoring',
    in: ['cluster'],
    from: /k3s\.restore\.requested$/,
    to: /k3s\.restore\.completed$/,
    failed: /k3s\.restore\.failed$/,
    by: 'stream',
  },
  {
    name: 'cluster degraded',
    in: ['cluster'],
    from: /k3s\.cluster\.degraded$/,
    to: /k3s\.cluster\.recovered$/,
    failed: /decommissioned$/,
    by: 'stream',
  },
  {
    name: 'waiting for a holder',
    in: EVERYWHERE,
    from: /virtual_ip\.reserved$/,
    to: /virtual_ip\.allocated$/,
    failed: /virtual_ip\.released$/,
    by: 'stream',
  },
  {
    name: 'moving the virtual IP',
    in: EVERYWHERE,
    from: /virtual_ip\.move_started$/,
    to: /virtual_ip\.moved$/,
    failed: /virtual_ip\.(move_failed|stranded)$/,
    by: 'epoch',
  },
  {
    name: 'stranded',
    in: EVERYWHERE,
    from: /virtual_ip\.stranded$/,
    to: /virtual_ip\.(moved|released)$/,
    by: 'stream',
  },
  {
    name: 'draining',
    in: EVERYWHERE,
    from: /instance\.drain_requested$/,
    to: /instance\.drained$/,
    failed: /instance\.(uncordoned|terminated|forgotten)$/,
    by: 'instance_id',
  },
  {
    name: 'lost',
    in: EVERYWHERE,
    from: /instance\.lost$/,
    to: /instance\.returned$/,
    failed: /instance\.(terminated|forgotten)$/,
    by: 'instance_id',
  },
  {
    name: 'not ready',
    in: ['instance', 'cluster'],
    from: /k3s\.node\.not_ready$/,
    to: /k3s\.node\.(ready|removed)$/,
    by: 'instance_id',
  },
  {
    name: 'module failed',
    in: ['instance', 'cluster'],
    from: /^system\.module\.failed$/,
    // What is recorded of before `recovered` was known ends with the readiness that it follows.
    to: /^system\.(module\.recovered|(k3s|docker)\.handshake\.ready|k3s\.node\.ready)$/,
    failed: /^system\.module\.removed$/,
    by: 'runtime',
  },
];

/** Modules that can fail are K3s or Docker; what tells that they are ready names no module. */
const runtimeOf = ({ type, data }: RecordedEvent): string =>
  String(data['module_name'] ?? type).includes('docker') ? 'docker' : 'k3s';

const keyOf = (event: RecordedEvent, by: Rule['by']): string => {
  if (by === 'stream') return event.stream;
  if (by === 'runtime') return `${String(event.data['instance_id'])} ${runtimeOf(event)}`;
  if (by === 'epoch') return `${event.stream} ${String(event.data['epoch'])}`;
  return String(event.data[by] ?? event.meta.links[by === 'instance_id' ? 'instance' : 'node'] ?? event.stream);
};

/** How long each phase took, from the event that began it to the one that ended it; `open` when nothing did yet. */
export const phasesOf = (kind: SubjectKind, events: readonly RecordedEvent[], names: Names): Phase[] => {
  const phases = RULES.filter((rule) => rule.in.includes(kind)).flatMap((rule) => phasesBy(rule, events, names));
  return phases.sort((a, b) => (a.started_at < b.started_at ? -1 : a.started_at > b.started_at ? 1 : 0));
};

const phasesBy = (rule: Rule, events: readonly RecordedEvent[], names: Names): Phase[] => {
  const open = new Map<string, RecordedEvent>();
  const phases: Phase[] = [];
  const close = (key: string, started: RecordedEvent, ended: RecordedEvent | undefined, outcome: Phase['outcome']) => {
    const of = rule.by === 'epoch' ? started.stream : key;
    phases.push({
      name: rule.name,
      of: named(of, names),
      started_at: started.recordedAt,
      ended_at: ended?.recordedAt ?? null,
      duration_ms: ended === undefined ? null : Date.parse(ended.recordedAt) - Date.parse(started.recordedAt),
      outcome,
    });
  };
  for (const event of events) {
    const key = keyOf(event, rule.by);
    const started = open.get(key);
    if (started !== undefined && (rule.to.test(event.type) || rule.failed?.test(event.type) === true)) {
      open.delete(key);
      close(key, started, event, rule.to.test(event.type) ? 'done' : 'failed');
    }
    if (rule.from.test(event.type) && !open.has(key)) open.set(key, event);
  }
  for (const [key, started] of open) close(key, started, undefined, 'open');
  return phases;
};

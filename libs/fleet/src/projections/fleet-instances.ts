import { categoryOf, isoTime } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { defineProjection } from '#processing';
import { evolveInstance } from '../domain/instance/evolve.js';
import { boundMs, moduleNext, nextAction, WIPE_STUCK_NEXT, type ModuleStage } from '../domain/instance/outlook.js';
import { isFinal, noInstance, statusOf, type InstanceEvent, type KnownInstance } from '../domain/instance/state.js';
import { stuckNext, stuckText } from '../domain/instance/stopping.js';
import { familyOf } from '../domain/module-catalogue.js';
import { fleetEvent, type FleetEvent } from './read-event.js';
import { bareMachine, wantedAfter, type Wanted } from './wanted.js';

export type ModuleStatus = ModuleStage;

export interface ModuleDoc {
  readonly assignment_id: string;
  readonly module_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly status: ModuleStatus;
  readonly error: string | null;
  readonly since: string;
}

export interface InstanceDoc {
  readonly id: string;
  readonly account: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly state_since: string;
  /** When the state should have ended; null where it may last. */
  readonly deadline_at: string | null;
  readonly last_error: string | null;
  readonly next_action: string | null;
  readonly modules: readonly ModuleDoc[];
  readonly drain_timeout_seconds: number;
  readonly wanted: Wanted;
  /** Tokens and certificate bytes are left out: nobody reads them here. */
  readonly instance: KnownInstance;
}

/** Undefined where an event says nothing of it, null where what was wrong is over. */
const errorOf = (event: FleetEvent): string | null | undefined => {
  switch (event.type) {
    case 'system.instance.provision_failed':
      return event.data.reason;
    case 'system.instance.enrollment_refused':
      return `${event.data.code}: ${event.data.reason}`;
    case 'system.module.failed':
      return `${event.data.module_name}: ${event.data.reason}`;
    case 'system.instance.cloned':
      return `two machines use this identity: boot ids ${event.data.boot_ids.join(', ')}`;
    case 'system.instance.overdue':
      return `${event.data.state} for more than ${event.data.bound_seconds} s`;
    case 'system.instance.lost':
      return `no beat for ${event.data.silent_ms} ms`;
    case 'system.instance.wipe_stuck':
      return `the machine is not clean yet: ${event.data.reason}`;
    case 'system.instance.wiped':
      return null;
    default:
      return undefined;
  }
};

interface RuntimeNews {
  readonly instance: string;
  readonly concerns: (module: ModuleDoc) => boolean;
  readonly now: Pick<ModuleDoc, 'status' | 'error'>;
}
const RUNNING = { status: 'running', error: null } as const;
const K3S: readonly string[] = ['k3s-server', 'k3s-agent'];

/** Progress that the runtimes' own context reports about this instance's modules, by kind. */
const runtimeOf = (event: RecordedEvent): RuntimeNews | undefined => {
  const instance = String(event.data['instance_id']);
  const isReady = (name: string): RuntimeNews => ({
    instance,
    concerns: (m) => m.module_name === name && m.status !== 'removed',
    now: RUNNING,
  });
  switch (event.type) {
    case 'system.docker.handshake.ready':
      return isReady('docker-engine');
    case 'system.k3s.handshake.ready':
      return isReady(event.data['role'] === 'server' ? 'k3s-server' : 'k3s-agent');
    case 'system.module.generation_applied': {
      // What no runtime answers for runs once the agent has taken it in.
      const names = event.data['modules'] as readonly string[] | undefined;
      const isTaken = ({ module_name: name }: ModuleDoc) =>
        familyOf(name) === 'generic' && names?.includes(name) === true;
      return { instance, concerns: (m) => isTaken(m) && m.status === 'assigned', now: RUNNING };
    }
    case 'system.k3s.node.not_ready': {
      const concerns = (m: ModuleDoc) => K3S.includes(m.module_name) && ['running', 'degraded'].includes(m.status);
      return { instance, concerns, now: { status: 'degraded', error: String(event.data['reason']) } };
    }
    case 'system.k3s.node.ready': {
      const troubled: readonly ModuleStatus[] = ['degraded', 'failed'];
      return { instance, concerns: (m) => K3S.includes(m.module_name) && troubled.includes(m.status), now: RUNNING };
    }
    case 'system.module.recovered': {
      // Told on its readiness, which is here already: it is news only where its trouble was told later than that.
      const { assignment_id, from } = event.data;
      return { instance, concerns: (m) => m.assignment_id === assignment_id && m.status === from, now: RUNNING };
    }
    default:
      return undefined;
  }
};

const modulesAfter = (modules: readonly ModuleDoc[], event: RecordedEvent, state: KnownInstance): ModuleDoc[] => {
  const since = event.meta.occurredAt;
  const ready = runtimeOf(event);
  const kept = modules.map((m): ModuleDoc => {
    if (ready?.concerns(m) === true) return { ...m, ...ready.now, since };
    const now = state.modules[m.assignment_id];
    if (now === undefined) return m.status === 'removed' ? m : { ...m, status: 'removed', error: null, since };
    const news = event.data['module_name'] === m.module_name && event.type !== 'system.module.recovered';
    return news ? { ...m, config: now.config, priority: now.priority, status: now.status, error: now.error, since } : m;
  });
  const added = Object.values(state.modules)
    .filter((m) => !modules.some((known) => known.assignment_id === m.assignmentId))
    .map((m): ModuleDoc => {
      const { assignmentId: assignment_id, moduleName: module_name, config, priority, status, error } = m;
      return { assignment_id, module_name, config, priority, status, error, since };
    });
  return [...kept, ...added];
};

/** What was last told was of a module that is well again, or gone. */
const isOver = ({ last_error, modules: before }: InstanceDoc, modules: readonly ModuleDoc[]): boolean =>
  before.some((m) => last_error === `${m.module_name}: ${m.error}`) &&
  !modules.some((m) => last_error === `${m.module_name}: ${m.error}`);

const slim = (state: KnownInstance): KnownInstance => ({
  ...state,
  tokens: {},
  certificate: state.certificate === null ? null : { ...state.certificate, der: '' },
});

export const fleetInstances = defineProjection<InstanceDoc>({
  name: 'fleet_instances',
  version: 4,
  keys: (event) => {
    if (categoryOf(event.stream) === 'instance') return [event.stream];
    const ready = runtimeOf(event);
    return ready === undefined ? [] : [ready.instance];
  },
  fold: (doc, recorded, key) => {
    const event = fleetEvent(recorded);
    const evolved = evolveInstance(doc?.instance ?? noInstance, event as InstanceEvent);
    if (evolved.kind === 'absent') return undefined;
    const instance = slim(evolved);
    const at = recorded.meta.occurredAt;
    const status = statusOf(instance);
    const changed = doc === undefined || statusOf(doc.instance) !== status;
    const drainTimeout =
      event.type === 'system.instance.drain_requested' ? event.data.timeout_seconds : (doc?.drain_timeout_seconds ?? 0);
    const bound = boundMs(status, drainTimeout);
    const stateSince = changed ? at : doc.state_since;
    const modules = modulesAfter(doc?.modules ?? [], recorded, instance);
    const told = errorOf(event);
    const stuck = stuckText(instance);
    const isOverNow = changed || isOver(doc, modules) || (stuck === undefined && stuckText(doc.instance) !== undefined);
    const error = told !== undefined ? told : (stuck ?? (isOverNow ? null : doc.last_error));
    const troubled = status === 'running' ? modules.find((m) => m.error !== null) : undefined;
    return {
      id: key,
      account: doc?.account ?? recorded.meta.accountId,
      created_at: doc?.created_at ?? at,
      updated_at: at,
      state_since: stateSince,
      deadline_at: bound === null ? null : isoTime(Date.parse(stateSince) + bound),
      last_error: error,
      next_action:
        instance.wipeStuck !== undefined
          ? WIPE_STUCK_NEXT
          : troubled === undefined
            ? (stuckNext(instance) ?? nextAction(status, instance.driver))
            : moduleNext(troubled.status),
      modules,
      drain_timeout_seconds: drainTimeout,
      wanted: wantedAfter(doc?.wanted ?? bareMachine, recorded),
      instance,
    };
  },
  columns: ({ account, instance }) => ({
    account,
    name: instance.name,
    node_id: instance.nodeId,
    template_id: instance.templateId,
    state: statusOf(instance),
    final: isFinal(instance),
  }),
  columnTypes: { name: 'text', node_id: 'text', template_id: 'text', state: 'text', final: 'boolean' },
});

import { accept, canonicalJson, nothing, refusal, reject, type Decision, type InstanceId } from '#kernel';
import {
  InstanceCloned,
  InstanceDrained,
  InstanceDrainRequested,
  InstanceLost,
  InstanceOnline,
  InstanceOverdue,
  InstanceReturned,
  InstanceUncordoned,
} from './events.js';
import { notRunning } from './refusals.js';
import { nextAction } from './outlook.js';
import {
  linksOf,
  statusOf,
  type InstanceEvent,
  type InstanceStatus,
  type KnownInstance,
  type Presence,
} from './state.js';

export interface RecordOnline {
  readonly kind: 'online';
  readonly presence: Presence;
}
export interface RecordLost {
  readonly kind: 'lost';
  readonly silentMs: number;
}
/** Beats came back on a stream that never ended: what the agent said of itself still holds. */
export interface RecordReturned {
  readonly kind: 'returned';
}
export interface RecordCloned {
  readonly kind: 'cloned';
  readonly bootIds: readonly string[];
}
/** The state that began at `since` should have ended by now. */
export interface RecordOverdue {
  readonly kind: 'overdue';
  readonly status: InstanceStatus;
  readonly since: string;
  readonly boundMs: number;
  /** Why it is held up, where that is known. */
  readonly waitsFor?: string;
}
export interface RequestDrain {
  readonly kind: 'request_drain';
  readonly timeoutSeconds: number;
}
export interface MarkDrained {
  readonly kind: 'mark_drained';
  readonly evictedPods: number;
  readonly warnings: readonly string[];
}
export interface Uncordon {
  readonly kind: 'uncordon';
}

const idOf = (state: KnownInstance) => state.instanceId as InstanceId;
const wire = (state: KnownInstance, presence: Presence) => ({
  instance_id: idOf(state),
  ...presence,
  underlay_addresses: [...presence.underlay_addresses],
});

/** Interfaces are listed in no particular order: another order is no news. */
const sameFacts = (a: Presence, b: Presence): boolean => {
  const plain = (p: Presence) => canonicalJson({ ...p, underlay_addresses: [...p.underlay_addresses].sort() });
  return plain(a) === plain(b);
};

export const online = (state: KnownInstance, c: RecordOnline): Decision<InstanceEvent> => {
  if (state.certificate === null)
    return reject(refusal(409, 'instance_not_enrolled', `instance ${state.name} was never enrolled`));
  const links = linksOf(state);
  if (state.lost) return accept(InstanceReturned(wire(state, c.presence), { links }));
  if (state.phase === 'running' && state.presence !== null && sameFacts(state.presence, c.presence))
    return nothing('known');
  return accept(InstanceOnline(wire(state, c.presence), { links }));
};

export const lost = (state: KnownInstance, c: RecordLost): Decision<InstanceEvent> =>
  state.phase !== 'running' || state.lost
    ? nothing('not_present')
    : accept(
        InstanceLost(
          { instance_id: idOf(state), silent_ms: Math.round(Math.min(c.silentMs, Number.MAX_SAFE_INTEGER)) },
          { links: linksOf(state) },
        ),
      );

export const returned = (state: KnownInstance): Decision<InstanceEvent> =>
  !state.lost || state.presence === null
    ? nothing('not_lost')
    : accept(InstanceReturned(wire(state, state.presence), { links: linksOf(state) }));

export const cloned = (state: KnownInstance, c: RecordCloned): Decision<InstanceEvent> => {
  const bootIds = [...c.bootIds].sort();
  if (canonicalJson(bootIds) === canonicalJson([...state.clones])) return nothing('known');
  return accept(InstanceCloned({ instance_id: idOf(state), boot_ids: bootIds }, { links: linksOf(state) }));
};

export const overdue = (state: KnownInstance, c: RecordOverdue): Decision<InstanceEvent> => {
  if (statusOf(state) !== c.status) return nothing('left_meanwhile');
  if (state.overdue !== null) return nothing('reported_before');
  const data = { state: c.status, since: c.since, bound_seconds: Math.round(c.boundMs / 1_000) };
  const next = nextAction(c.status, state.driver) ?? '';
  const next_action = c.waitsFor === undefined ? next : `it stays for now: ${c.waitsFor}; then ${next}`;
  return accept(InstanceOverdue({ instance_id: idOf(state), ...data, next_action }, { links: linksOf(state) }));
};

export const requestDrain = (state: KnownInstance, c: RequestDrain): Decision<InstanceEvent> => {
  if (state.phase !== 'running') return reject(notRunning(state, 'drained'));
  if (state.drain !== 'none') return nothing(`${state.drain}_already`);
  const data = { instance_id: idOf(state), timeout_seconds: c.timeoutSeconds };
  return accept(InstanceDrainRequested(data, { links: linksOf(state) }));
};

export const markDrained = (state: KnownInstance, c: MarkDrained): Decision<InstanceEvent> =>
  state.drain !== 'draining'
    ? nothing('not_draining')
    : accept(
        InstanceDrained(
          { instance_id: idOf(state), evicted_pods: c.evictedPods, warnings: [...c.warnings] },
          { links: linksOf(state) },
        ),
      );

export const uncordon = (state: KnownInstance): Decision<InstanceEvent> =>
  state.drain === 'none'
    ? nothing('not_cordoned')
    : accept(InstanceUncordoned({ instance_id: idOf(state) }, { links: linksOf(state) }));

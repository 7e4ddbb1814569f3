import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import {
  VirtualIpAllocated,
  VirtualIpCandidatesChanged,
  VirtualIpMoved,
  VirtualIpMoveFailed,
  VirtualIpMoveStarted,
  VirtualIpReleased,
  VirtualIpReserved,
  VirtualIpStranded,
  type MoveReason,
} from './events.js';
import { strandedAction } from './outlook.js';
import {
  evolveVirtualIp,
  initialVirtualIp,
  sameMember,
  type LiveVirtualIp,
  type Member,
  type VirtualIpEvent,
  type VirtualIpState,
} from './state.js';

export interface MoveReport {
  readonly acksMs: Readonly<Record<string, number>>;
  readonly unacked: readonly string[];
  readonly outageEstimateMs: number;
}

export type VirtualIpCommand =
  | {
      readonly kind: 'reserve';
      readonly virtualIpId: string;
      readonly networkId: string;
      readonly clusterId: string | null;
      readonly name: string;
      readonly purpose: string;
      readonly address: string;
    }
  | { readonly kind: 'set_candidates'; readonly candidates: readonly Member[] }
  | { readonly kind: 'allocate'; readonly holder: Member }
  | { readonly kind: 'start_move'; readonly epoch: number; readonly to: Member; readonly reason: MoveReason }
  | { readonly kind: 'complete_move'; readonly epoch: number; readonly report: MoveReport }
  | { readonly kind: 'fail_move'; readonly epoch: number; readonly reason: string }
  | { readonly kind: 'strand'; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string };

type D = Decision<VirtualIpEvent>;

export const virtualIpDecider: Decider<VirtualIpState, VirtualIpCommand, VirtualIpEvent> = {
  initial: initialVirtualIp,
  evolve: evolveVirtualIp,
  decide(command, state): D {
    if (command.kind === 'reserve') return state.status === 'none' ? reserve(command) : nothing('already_reserved');
    if (state.status === 'none' || state.status === 'released')
      return command.kind === 'release'
        ? nothing('already_released')
        : reject(refusal(404, 'virtual_ip_not_found', 'no such virtual IP', { field: 'virtual_ip_id' }));
    switch (command.kind) {
      case 'set_candidates':
        return setCandidates(command.candidates, state);
      case 'allocate':
        return allocate(command.holder, state);
      case 'start_move':
        return startMove(command, state);
      case 'complete_move':
        return completeMove(command, state);
      case 'fail_move':
        return failMove(command, state);
      case 'strand':
        return strand(command.reason, state);
      case 'release':
        return accept(VirtualIpReleased({ ...idsOf(state), reason: command.reason }, linksOf(state)));
      default:
        return assertNever(command);
    }
  },
};

const idsOf = (state: LiveVirtualIp) => ({
  virtual_ip_id: state.virtualIpId as `virtual_ip-${string}`,
  vip: state.address,
});

/** A cluster's VIP is part of the cluster's story: `recent_events` finds its events under `system.k3s` too. */
const linksOf = (state: Pick<LiveVirtualIp, 'networkId' | 'clusterId'>, instance?: string) => ({
  links: {
    network: state.networkId,
    ...(state.clusterId === null ? {} : { cluster: state.clusterId }),
    ...(instance === undefined ? {} : { instance }),
  },
  topics: state.clusterId === null ? [] : ['system.k3s.virtual_ip'],
});

const reserve = (command: Extract<VirtualIpCommand, { kind: 'reserve' }>): D => {
  const { links } = linksOf(command);
  return accept(
    VirtualIpReserved(
      {
        virtual_ip_id: command.virtualIpId as `virtual_ip-${string}`,
        network_id: command.networkId as `sdwan_network-${string}`,
        cluster_id: command.clusterId as `cluster-${string}` | null,
        name: command.name,
        purpose: command.purpose,
        address: command.address,
      },
      { links },
    ),
  );
};

const setCandidates = (candidates: readonly Member[], state: LiveVirtualIp): D => {
  const unique = candidates.filter(
    (c, i) => candidates.findIndex((other) => other.instance_id === c.instance_id) === i,
  );
  const same = unique.length === state.candidates.length && unique.every((c, i) => sameMember(c, state.candidates[i]!));
  if (same) return nothing('unchanged');
  const { links } = linksOf(state);
  return accept(
    VirtualIpCandidatesChanged({ virtual_ip_id: idsOf(state).virtual_ip_id, candidates: unique }, { links }),
  );
};

const notCandidate = (state: LiveVirtualIp, wanted: Member): D =>
  reject(
    refusal(409, 'not_a_candidate', `${wanted.instance_id} may not hold ${state.name}`, {
      field: 'instance_id',
      candidates: state.candidates.map((c) => ({ id: c.instance_id })),
    }),
  );

const allocate = (holder: Member, state: LiveVirtualIp): D => {
  if (sameMember(state.holder, holder)) return nothing('already_allocated');
  if (state.status !== 'reserved')
    return reject(
      refusal(409, 'virtual_ip_held', `${state.name} is held already`, {
        hint: 'move it with system_sdwan_failover_virtual_ip',
      }),
    );
  if (!state.candidates.some((c) => sameMember(c, holder))) return notCandidate(state, holder);
  const { links, topics } = linksOf(state, holder.instance_id);
  return accept(
    VirtualIpAllocated(
      {
        ...idsOf(state),
        purpose: state.purpose,
        network_id: state.networkId as `sdwan_network-${string}`,
        holder,
        epoch: 1,
      },
      { links, topics },
    ),
  );
};

const stale = (state: LiveVirtualIp, epoch: number): D =>
  reject(
    refusal(409, 'stale_epoch', `epoch ${epoch} does not follow: ${state.name} is at epoch ${state.epoch}`, {
      hint: 'somebody else has moved it; look again',
    }),
  );

const startMove = (command: Extract<VirtualIpCommand, { kind: 'start_move' }>, state: LiveVirtualIp): D => {
  if (state.status === 'reserved')
    return reject(refusal(409, 'virtual_ip_not_allocated', `${state.name} has no holder yet`));
  if (
    state.move !== null &&
    !state.move.failed &&
    sameMember(state.move.to, command.to) &&
    state.move.epoch === command.epoch
  )
    return nothing('already_started');
  if (command.epoch !== state.epoch + 1) return stale(state, command.epoch);
  if (state.move !== null && !state.move.failed)
    return reject(refusal(409, 'move_in_progress', `${state.name} is on its way to ${state.move.to.instance_id}`));
  if (!state.candidates.some((c) => sameMember(c, command.to))) return notCandidate(state, command.to);
  const data = { ...idsOf(state), epoch: command.epoch, from: state.holder, to: command.to, reason: command.reason };
  return accept(VirtualIpMoveStarted(data, linksOf(state, command.to.instance_id)));
};

const completeMove = (command: Extract<VirtualIpCommand, { kind: 'complete_move' }>, state: LiveVirtualIp): D => {
  if (state.move === null || state.move.epoch !== command.epoch)
    return state.move === null && state.holderEpoch === command.epoch && state.holder !== null
      ? nothing('already_moved')
      : stale(state, command.epoch);
  const { from, to, reason } = state.move;
  const { report } = command;
  const data = {
    ...idsOf(state),
    epoch: command.epoch,
    from,
    to,
    reason,
    acks_ms: { ...report.acksMs },
    unacked: [...report.unacked],
    outage_estimate_ms: report.outageEstimateMs,
  };
  return accept(VirtualIpMoved(data, linksOf(state, to.instance_id)));
};

const failMove = (command: Extract<VirtualIpCommand, { kind: 'fail_move' }>, state: LiveVirtualIp): D => {
  if (state.move === null || state.move.epoch !== command.epoch) return stale(state, command.epoch);
  if (state.move.failed) return nothing('already_failed');
  const data = { ...idsOf(state), epoch: command.epoch, to: state.move.to, reason: command.reason };
  return accept(VirtualIpMoveFailed(data, linksOf(state, state.move.to.instance_id)));
};

const strand = (reason: string, state: LiveVirtualIp): D => {
  if (state.status === 'stranded') return nothing('already_stranded');
  if (state.status === 'reserved') return nothing('not_allocated');
  const next_action = strandedAction(state.name, state.candidates, state.holder);
  const data = { ...idsOf(state), epoch: state.epoch, last_holder: state.holder, reason, next_action };
  return accept(VirtualIpStranded(data, linksOf(state)));
};

import { evolveModules } from './evolve-modules.js';
import { stopOver } from './stopping.js';
import {
  shapeOf,
  statusOf,
  type InstanceEvent,
  type InstanceState,
  type JoinToken,
  type KnownInstance,
  type Presence,
} from './state.js';

type DataOf<T extends InstanceEvent['type']> = Extract<InstanceEvent, { type: T }>['data'];

const created = (data: DataOf<'system.instance.created'>): KnownInstance => ({
  kind: 'known',
  instanceId: data.instance_id,
  nodeId: data.node_id,
  name: data.name,
  templateId: data.template_id,
  driver: data.driver,
  cniPlugin: data.cni_plugin,
  phase: 'pending',
  drain: 'none',
  lost: false,
  tokens: {},
  certificate: null,
  previousSerial: null,
  revoked: false,
  presence: null,
  clones: [],
  overdue: null,
  modules: {},
  templateVersion: 0,
});

const tokenIssued = (state: KnownInstance, data: DataOf<'system.instance.join_token_issued'>): KnownInstance => {
  const token: JoinToken = { tokenId: data.token_id, expiresAt: data.expires_at, use: 'open' };
  return { ...state, tokens: { ...state.tokens, [data.token_digest]: token } };
};

/** One token enrols an instance; whatever else was open then is void. */
const consume = (tokens: KnownInstance['tokens'], tokenId: string): Record<string, JoinToken> =>
  Object.fromEntries(
    Object.entries(tokens).map(([digest, token]) => {
      if (token.tokenId === tokenId) return [digest, { ...token, use: 'used' as const }];
      return [digest, token.use === 'open' ? { ...token, use: 'superseded' as const } : token];
    }),
  );

/** On a machine that was installed anew nothing of before is left that could not be stopped. */
const enrolled = (state: KnownInstance, data: DataOf<'system.instance.enrolled'>): KnownInstance => ({
  ...stopOver(state),
  phase: state.phase === 'running' ? 'running' : 'starting',
  tokens: consume(state.tokens, data.token_id),
  certificate: {
    serial: data.certificate_serial,
    publicKeyDigest: data.public_key_digest,
    notAfter: data.not_after,
    der: data.certificate_der_b64 ?? '',
    tokenId: data.token_id,
  },
  previousSerial: null,
  revoked: false,
  clones: [],
});

const renewed = (state: KnownInstance, data: DataOf<'system.instance.certificate_renewed'>): KnownInstance => ({
  ...state,
  previousSerial: state.certificate?.serial ?? null,
  certificate: {
    serial: data.certificate_serial,
    publicKeyDigest: data.public_key_digest,
    notAfter: data.not_after,
    der: data.certificate_der_b64 ?? '',
    tokenId: null,
  },
});

const present = (state: KnownInstance, data: DataOf<'system.instance.online'>): KnownInstance => {
  const { boot_id, agent_version, architecture, hostname, memory_bytes, underlay_addresses, capabilities } = data;
  const presence: Presence = {
    boot_id,
    agent_version,
    architecture,
    hostname,
    memory_bytes,
    underlay_addresses,
    capabilities,
  };
  return { ...state, phase: 'running', lost: false, presence };
};

const over = (state: KnownInstance, type: 'system.instance.terminated' | 'system.instance.forgotten'): KnownInstance =>
  stopOver({
    ...state,
    phase: type === 'system.instance.terminated' ? 'terminated' : 'forgotten',
    lost: false,
    modules: {},
  });

const stuck = (state: KnownInstance, reason: string): KnownInstance => {
  const told = state.wipeStuckTold ?? [];
  const shape = shapeOf(reason);
  return { ...state, wipeStuck: reason, wipeStuckTold: told.includes(shape) ? told : [...told, shape] };
};

export const evolveInstance = (state: InstanceState, event: InstanceEvent): InstanceState => {
  if (event.type === 'system.instance.created') return created(event.data);
  if (state.kind === 'absent') return state;
  const next = evolveKnown(state, event);
  return next.overdue !== null && statusOf(next) !== next.overdue ? { ...next, overdue: null } : next;
};

const evolveKnown = (state: KnownInstance, event: InstanceEvent): KnownInstance => {
  switch (event.type) {
    case 'system.instance.provision_requested':
      return { ...state, phase: 'provisioning', driver: event.data.driver };
    case 'system.instance.provision_failed':
      return { ...state, phase: 'error' };
    case 'system.instance.join_token_issued':
      return tokenIssued(state, event.data);
    case 'system.instance.enrolled':
      return enrolled(state, event.data);
    case 'system.instance.certificate_renewed':
      return renewed(state, event.data);
    case 'system.instance.certificate_revoked':
      return { ...state, revoked: true };
    case 'system.instance.online':
    case 'system.instance.returned':
      return present(state, event.data);
    case 'system.instance.lost':
      return { ...state, lost: true };
    case 'system.instance.template_changed':
      return { ...state, templateId: event.data.template_id, templateVersion: 0 };
    case 'system.instance.drain_requested':
      return { ...state, drain: 'draining' };
    case 'system.instance.drained':
      return { ...state, drain: 'drained' };
    case 'system.instance.uncordoned':
      return { ...state, drain: 'none', terminating: false };
    case 'system.instance.terminate_requested':
      return { ...state, terminating: true };
    case 'system.instance.terminated':
    case 'system.instance.forgotten':
      return over(state, event.type);
    case 'system.instance.wiped':
      return { ...state, wiped: { left: event.data.left }, wipeStuck: undefined };
    case 'system.instance.wipe_stuck':
      return stuck(state, event.data.reason);
    case 'system.instance.cloned':
      return { ...state, clones: event.data.boot_ids };
    case 'system.instance.overdue':
      return { ...state, overdue: statusOf(state) };
    default:
      // enrollment_refused changes nothing, and other contexts write to this stream too.
      return evolveModules(state, event);
  }
};

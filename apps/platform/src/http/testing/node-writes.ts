import { agentV1 } from '#proto';

type Up = NonNullable<agentV1.SyncRequest['message']>;
type Kind = Up['$case'];

/** What a node sends with one hostile text in it; everything around the text is as an honest node would have it. */
export type NodeWrite =
  | { readonly kind: 'sync'; readonly message: Up }
  | { readonly kind: 'phase'; readonly request: agentV1.ReportPhaseRequest }
  | { readonly kind: 'enroll'; readonly request: agentV1.EnrollRequest }
  | { readonly kind: 'tunnel'; readonly tunnelId: string };

/** Ids of things that are there. */
export interface World {
  readonly network: string;
  readonly vip: string;
}

type Write = (text: string, world: World) => NodeWrite;

const up = <K extends Kind>($case: K, value: Extract<Up, { $case: K }>['value']): NodeWrite => ({
  kind: 'sync',
  message: { $case, value } as Up,
});
const hello = (more: Parameters<typeof agentV1.Hello.fromPartial>[0]): NodeWrite =>
  up('hello', agentV1.Hello.fromPartial({ protocolVersion: 1, bootId: 'boot', ...more }));
const routed = (network: string, more: Parameters<typeof agentV1.Routing.fromPartial>[0]): NodeWrite =>
  up('observed', agentV1.Observed.fromPartial({ networkId: network, routing: { daemon: 'frr', ...more } }));
const peer = (network: string, more: Parameters<typeof agentV1.ObservedPeer.fromPartial>[0]): NodeWrite =>
  up('observed', agentV1.Observed.fromPartial({ networkId: network, peers: [more] }));
const health = (more: Parameters<typeof agentV1.RuntimeHealth.fromPartial>[0]): NodeWrite =>
  up('runtimeHealth', agentV1.RuntimeHealth.fromPartial({ runtime: agentV1.Runtime.RUNTIME_DOCKER, ...more }));
const enroll = (more: Parameters<typeof agentV1.EnrollRequest.fromPartial>[0]): NodeWrite => ({
  kind: 'enroll',
  request: agentV1.EnrollRequest.fromPartial({ hostname: 'gw-1', bootId: 'boot', machineId: 'machine', ...more }),
});
const phase = (
  which: agentV1.Phase,
  more: Parameters<typeof agentV1.ReportPhaseRequest.fromPartial>[0],
  runtime = agentV1.Runtime.RUNTIME_K3S_SERVER,
): NodeWrite => ({
  kind: 'phase',
  request: agentV1.ReportPhaseRequest.fromPartial({
    requestId: `hostile-${JSON.stringify(more).length}`,
    runtime,
    phase: which,
    ...more,
  }),
});
const { PHASE_BOOTSTRAP, PHASE_FAILED, PHASE_INSTALLING, PHASE_JOIN_REQUEST, PHASE_READY, PHASE_WANTS_CERT } =
  agentV1.Phase;
/** Refused from an instance that lives; what an ended one may write is bounded where it is recorded (fleet, enrollment.ts). */
const { PHASE_WIPED } = agentV1.Phase;
const { RUNTIME_DOCKER, RUNTIME_K3S_AGENT } = agentV1.Runtime;

/** Every text that a node can send. A new one in the protocol without a line here fails the test. */
export const NODE_WRITES: Readonly<Record<string, Write>> = {
  'Applied.errors': (t, w) =>
    up('applied', agentV1.Applied.fromPartial({ section: `sdwan.${w.network}`, errors: [t, t] })),
  'Applied.hash': (t, w) => up('applied', agentV1.Applied.fromPartial({ section: `sdwan.${w.network}`, hash: t })),
  'Applied.section': (t) => up('applied', agentV1.Applied.fromPartial({ section: t, generation: 1n })),
  'DriftRepaired.network_id': (t) => up('driftRepaired', { networkId: t, what: ['route'] }),
  'DriftRepaired.what': (t, w) => up('driftRepaired', { networkId: w.network, what: [t] }),
  'EnrollRequest.agent_version': (t) => enroll({ agentVersion: t }),
  'EnrollRequest.boot_id': (t) => enroll({ bootId: t }),
  'EnrollRequest.hostname': (t) => enroll({ hostname: t }),
  'EnrollRequest.join_token': (t) => enroll({ joinToken: t }),
  'EnrollRequest.machine_id': (t) => enroll({ machineId: t }),
  'Hello.agent_version': (t) => hello({ agentVersion: t }),
  'Hello.architecture': (t) => hello({ architecture: t }),
  'Hello.boot_id': (t) => hello({ bootId: t }),
  'Hello.capabilities': (t) => hello({ capabilities: { [t]: t } }),
  'Hello.hostname': (t) => hello({ hostname: t }),
  'Hello.store_epoch': (t) => hello({ storeEpoch: t }),
  'Hello.underlay_addresses': (t) => hello({ underlayAddresses: [t] }),
  'LeaseBeat.vip_id': (t) => up('leaseBeat', { vipId: t, epoch: 1n, seq: 1n }),
  'LearnedPrefix.peer_id': (t, w) => routed(w.network, { learned: [{ prefix: '10.0.0.0/8', peerId: t }] }),
  'LearnedPrefix.prefix': (t, w) => routed(w.network, { learned: [{ prefix: t, peerId: 'p' }] }),
  'LogLine.level': (t) => up('log', { level: t, message: 'x' }),
  'LogLine.message': (t) => up('log', { level: 'info', message: t }),
  'Observed.network_id': (t) => peer(t, { publicKey: 'k', endpoint: '192.0.2.1:1' }),
  'ObservedPeer.endpoint': (t, w) => peer(w.network, { publicKey: 'k', endpoint: t }),
  'ObservedPeer.public_key': (t, w) => peer(w.network, { publicKey: t, endpoint: '192.0.2.1:1' }),
  'PeerKey.network_id': (t) => up('peerKey', agentV1.PeerKey.fromPartial({ networkId: t, publicKey: 'k' })),
  'PeerKey.next_public_key': (t, w) =>
    up(
      'peerKey',
      agentV1.PeerKey.fromPartial({ networkId: w.network, publicKey: 'k', nextPublicKey: t, rotation: 1n }),
    ),
  'PeerKey.public_key': (t, w) => up('peerKey', agentV1.PeerKey.fromPartial({ networkId: w.network, publicKey: t })),
  'ReportPhaseRequest.agent_token': (t) => phase(PHASE_BOOTSTRAP, { agentToken: t }),
  'ReportPhaseRequest.ca_pem': (t) => phase(PHASE_BOOTSTRAP, { caPem: t }),
  'ReportPhaseRequest.cluster_id': (t) => phase(PHASE_READY, { clusterId: t, nodeName: 'gw-1' }),
  'ReportPhaseRequest.csr_pem': (t) => phase(PHASE_WANTS_CERT, { csrPem: t }, RUNTIME_DOCKER),
  'ReportPhaseRequest.error': (t) => phase(PHASE_FAILED, { error: t }, RUNTIME_DOCKER),
  'ReportPhaseRequest.kubeconfig': (t) => phase(PHASE_BOOTSTRAP, { kubeconfig: t }),
  'ReportPhaseRequest.left': (t) => phase(PHASE_WIPED, { left: [t, t] }),
  'ReportPhaseRequest.node_name': (t) => phase(PHASE_READY, { nodeName: t }),
  'ReportPhaseRequest.removed': (t) => phase(PHASE_WIPED, { removed: [t, t] }),
  'ReportPhaseRequest.request_id': (t) => phase(PHASE_INSTALLING, { requestId: t }, RUNTIME_DOCKER),
  'ReportPhaseRequest.server_token': (t) => phase(PHASE_BOOTSTRAP, { serverToken: t }),
  'ReportPhaseRequest.target_cluster_id': (t) => phase(PHASE_JOIN_REQUEST, { targetClusterId: t }, RUNTIME_K3S_AGENT),
  'ReportPhaseRequest.version': (t) => phase(PHASE_READY, { version: t }, RUNTIME_DOCKER),
  'Routing.daemon': (t, w) => routed(w.network, { daemon: t }),
  'Routing.error': (t, w) => routed(w.network, { error: t }),
  'RoutingSession.bfd': (t, w) => routed(w.network, { sessions: [{ peerId: 'p', state: 'up', bfd: t }] }),
  'RoutingSession.peer_id': (t, w) => routed(w.network, { sessions: [{ peerId: t, state: 'up' }] }),
  'RoutingSession.state': (t, w) => routed(w.network, { sessions: [{ peerId: 'p', state: t }] }),
  'RuntimeHealth.args_digest': (t) => health({ ready: true, argsDigest: t }),
  'RuntimeHealth.binary_digest': (t) => health({ ready: true, binaryDigest: t }),
  'RuntimeHealth.detail': (t) => health({ ready: false, detail: t }),
  'SectionState.hash': (t) => hello({ sections: [{ name: 'a', generation: 1n, hash: t }] }),
  'SectionState.name': (t) => hello({ sections: [{ name: t, generation: 1n, hash: 'h' }] }),
  'TunnelFailed.error': (t) => up('tunnelFailed', { tunnelId: 'tunnel', error: t }),
  'TunnelFailed.tunnel_id': (t) => up('tunnelFailed', { tunnelId: t, error: 'e' }),
  'TunnelRequest.tunnel_id': (t) => ({ kind: 'tunnel', tunnelId: t }),
  'VipAck.error': (t, w) => up('vipAck', agentV1.VipAck.fromPartial({ vipId: w.vip, epoch: 1n, error: t })),
  'VipAck.vip_id': (t) => up('vipAck', agentV1.VipAck.fromPartial({ vipId: t, epoch: 1n })),
  'VipEpoch.vip_id': (t) => hello({ vipEpochs: [{ vipId: t, epoch: 1n }] }),
  'VotePromise.question': (t, w) =>
    up('votePromise', agentV1.VotePromise.fromPartial({ vipId: w.vip, epoch: 1n, question: t })),
  'VotePromise.vip_id': (t) => up('votePromise', agentV1.VotePromise.fromPartial({ vipId: t, epoch: 1n })),
};

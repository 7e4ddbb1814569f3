import {
  deterministicUuid,
  ManualClock,
  seededRandom,
  sequentialIds,
  silentLog,
  accept,
  type Decider,
  type DomainEvent,
  type InstanceId,
} from '#kernel';
import { MemorySecretRows, EnvelopeSecretStore, accessEvents } from '#access';
import {
  fleetEvents,
  InstanceCreated,
  InstanceOnline,
  InstanceTerminated,
  K3sModuleAssigned,
  RecordInstalling,
  RecordRuntimeFailed,
  RecordRuntimeStop,
} from '#fleet';
import { createInMemoryPlatform, type CommandContext } from '#processing';
import { agentV1 } from '#proto';
import {
  AllocateVirtualIp,
  MoveVirtualIpAway,
  NetworkCreated,
  PeerAttached,
  PeerDetached,
  ReserveVirtualIp,
  sdwanEvents,
  SetVirtualIpCandidates,
} from '#sdwan';
import { ClaimClusterHandler } from '../application/claim.handler.js';
import { Clusters } from '../application/clusters.js';
import { ClaimCluster, RemoveNode, SyncVipCandidates } from '../application/commands.js';
import { KubernetesDirectory } from '../application/directory.js';
import { K3sHandshake } from '../application/handshake.js';
import { Joins } from '../application/joins.js';
import { candidatesManager, instanceManager } from '../application/managers.js';
import { RemoveNodeHandler, SyncVipCandidatesHandler } from '../application/lifecycle.handlers.js';
import { ModulesSource } from '../application/modules-source.js';
import type { WorkerTokens } from '../application/worker-tokens.js';
import { kubernetesEvents } from '../domain/events.js';

export const ACCOUNT = 'account-00000000-0000-4000-8000-000000000001';
const NETWORK = 'sdwan_network-00000000-0000-4000-8000-000000000001';
const TEMPLATE = 'template-00000000-0000-4000-8000-000000000001';
export const VIP = 'fd00:abcd:1::100';

const append: Decider<null, DomainEvent, DomainEvent> = {
  initial: null,
  evolve: (s) => s,
  decide: (event) => accept(event),
};

/** The Kubernetes context on the in-memory platform; fleet's and sdwan's part is played by their events and by recorders. */
export const handshakeRig = () => {
  const clock = new ManualClock();
  const platform = createInMemoryPlatform({
    definitions: [...accessEvents, ...fleetEvents, ...sdwanEvents, ...kubernetesEvents],
    clock,
  });
  const { store, transactor, dispatcher } = platform;
  const directory = new KubernetesDirectory();
  const secrets = new EnvelopeSecretStore(
    new MemorySecretRows(),
    new Uint8Array(32).fill(7),
    seededRandom(1),
    sequentialIds(),
  );
  const clusters = new Clusters(transactor);
  const sent: object[] = [];
  const minted = {
    token: `K10${'0'.repeat(64)}::abcdef.0123456789abcdef`,
    tokenId: 'abcdef',
    expiresAt: '2026-01-01T00:15:00.000Z',
  };
  const tokens = { mint: async () => minted } as unknown as WorkerTokens;
  const joins = new Joins({ directory, clusters, tokens, secrets, transactor, clock, log: silentLog });
  const handshake = new K3sHandshake({ transactor, directory, clusters, joins, secrets, dispatcher, clock });
  const record = async (command: { payload: object }) => {
    sent.push(command.payload);
    return { kind: 'done' as const, value: undefined };
  };
  platform.handle(RecordInstalling, record);
  platform.handle(RecordRuntimeFailed, record);
  platform.handle(RecordRuntimeStop, record);
  platform.handle(SetVirtualIpCandidates, record);
  platform.handle(AllocateVirtualIp, async (c) => {
    sent.push(c.payload);
    return { kind: 'done', value: { address: VIP } };
  });
  platform.handle(ReserveVirtualIp, async () => ({
    kind: 'done',
    value: { virtual_ip_id: 'virtual_ip-00000000-0000-4000-8000-000000000001', address: VIP },
  }));
  const claims = new ClaimClusterHandler(transactor, dispatcher, clock, secrets, seededRandom(2), directory);
  platform.handle(ClaimCluster, (c) => claims.execute(c));
  platform.processing.addProcessManager(instanceManager);
  platform.processing.addProcessManager(candidatesManager);
  const candidates = new SyncVipCandidatesHandler(transactor, dispatcher, clock, directory);
  platform.handle(SyncVipCandidates, (c) => candidates.execute(c));
  platform.handle(MoveVirtualIpAway, async () => ({ kind: 'done', value: { moves: [] } }));
  const removal = new RemoveNodeHandler(transactor, dispatcher, silentLog, directory);
  platform.handle(RemoveNode, (c) => removal.execute(c));
  platform.processing.addCommand(ClaimCluster);
  platform.processing.addCommand(RemoveNode);
  platform.processing.addCommand(SyncVipCandidates);

  let steps = 0;
  const context = (): CommandContext => ({
    commandId: `step-${++steps}`,
    correlationId: 'test',
    causationId: 'test',
    accountId: ACCOUNT,
    actor: { kind: 'system', id: 'test' },
    nowMs: clock.wallMs(),
  });
  let folded = 0n as Awaited<ReturnType<typeof store.head>>;
  const fold = async () => {
    const batch = await store.readAll(folded, { limit: 10_000 });
    folded = batch.through;
    for (const event of batch.events) directory.apply(event);
  };
  const happened = async (stream: string, ...events: DomainEvent[]) => {
    for (const event of events) await transactor.transact(stream, append, event, context());
    await fold();
    await platform.drain();
    await fold();
  };
  const id = (name: string): InstanceId => `instance-${deterministicUuid('test', name)}`;
  const peerId = (name: string, incarnation: number) =>
    `sdwan_peer-${deterministicUuid('test', name, incarnation)}` as const;
  const created = { handle: 'a1b2c3', cidr_64: 'fd00:abcd:1::/64', cidr_v4: '100.64.0.0/20', routing_mode: null };
  return {
    clock,
    store,
    secrets,
    directory,
    sent,
    minted,
    id,
    fold,
    happened,
    compiled: (name: string) =>
      new ModulesSource(directory, '/k3s').compile(id(name)).get('modules') ?? new Map<string, unknown>(),
    network: (pod_subnet_prefix: string | null = null) =>
      happened(NETWORK, NetworkCreated({ network_id: NETWORK, name: 'n', pod_subnet_prefix, ...created })),
    instance: (name: string, memoryGib = 2) => {
      const presence = {
        boot_id: 'b',
        agent_version: '1',
        architecture: 'amd64',
        hostname: name,
        underlay_addresses: [],
        capabilities: {},
      };
      return happened(
        id(name),
        InstanceCreated({
          instance_id: id(name),
          node_id: `node-${deterministicUuid('test', name)}`,
          name,
          template_id: TEMPLATE,
          driver: 'existing',
          cni_plugin: null,
        }),
        InstanceOnline({ instance_id: id(name), memory_bytes: memoryGib * 1024 ** 3, ...presence }),
      );
    },
    peerId,
    terminated: (name: string) =>
      happened(
        id(name),
        InstanceTerminated({ instance_id: id(name), node_id: `node-${deterministicUuid('test', name)}` }),
      ),
    detached: (name: string) =>
      happened(
        peerId(name, 0),
        PeerDetached(
          { peer_id: peerId(name, 0), network_id: NETWORK, reason: 'test' },
          { links: { instance: id(name) } },
        ),
      ),
    peer: (name: string, n: number, incarnation = 0) =>
      happened(
        peerId(name, incarnation),
        PeerAttached({
          peer_id: peerId(name, incarnation),
          network_id: NETWORK,
          kind: 'node',
          instance_id: id(name),
          grant_id: null,
          name,
          address_v6: `fd00:abcd:1::1:${n}`,
          address_v4: `100.64.0.${n}`,
          publicly_reachable: false,
          endpoint_host: null,
          endpoint_port: null,
          listen_port: 51820,
          tags: [],
          public_key: null,
        }),
      ),
    assign: (
      name: string,
      module: 'k3s-server' | 'k3s-agent',
      assignment = module,
      config: Record<string, unknown> = {},
    ) =>
      happened(
        id(name),
        K3sModuleAssigned({
          instance_id: id(name),
          template_id: TEMPLATE,
          assignment_id: deterministicUuid('assignment', assignment),
          module_name: module,
          config,
          priority: 100,
        }),
      ),
    phase: async (name: string, request: Partial<agentV1.ReportPhaseRequest>) => {
      const agent = { instanceId: id(name), accountId: ACCOUNT, certificateSerial: '1' };
      const message = agentV1.ReportPhaseRequest.fromPartial({ requestId: `r-${++steps}`, ...request });
      const answer = await handshake.handle(agent, message);
      await fold();
      await platform.drain();
      await fold();
      return answer.result;
    },
    kinds: async (prefix: string) => {
      const { events } = await store.readAll(0n as never, { limit: 10_000 });
      return events.map((e) => e.type).filter((type) => type.startsWith(prefix));
    },
  };
};
export type HandshakeRig = ReturnType<typeof handshakeRig>;

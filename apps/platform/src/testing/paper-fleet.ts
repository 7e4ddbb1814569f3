import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { systemIds } from '#kernel';
import type { AgentIdentity, AgentLiveness, AgentObserver, PhaseHandler } from '#agent-gateway';
import { agentV1 } from '#proto';
import type { TestPlatform } from './test-platform.js';

const { Phase, Runtime, VipAck_Role: Role } = agentV1;
const KUBECONFIG = `apiVersion: v1
kind: Config
clusters:
- name: default
  cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Y2E=}
contexts:
- name: default
  context: {cluster: default, user: default}
current-context: default
users:
- name: default
  user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}
`;
const SERVER_TOKEN = `K10${'ab'.repeat(32)}::server:0123456789abcdef`;

type Answer = Record<string, never> & { readonly [key: string]: unknown };

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const newCsr = async (): Promise<Buffer> => {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: P256 });
  return Buffer.from(csr.rawData);
};

/** Machines on paper: what their agents would say is told to the very handlers that the gateway would call. */
export class PaperFleet {
  private readonly connected = new Set<string>();
  private accountId = '';

  constructor(private readonly drover: TestPlatform) {
    const { gateway } = drover.platform.foundation;
    const real = gateway.liveness.bind(gateway);
    gateway.liveness = (id): AgentLiveness =>
      this.connected.has(id) ? { connected: true, silentMs: 0, lost: false, applied: new Map() } : real(id);
  }

  /** The data of a call that must succeed. */
  async ok<T = Answer>(tool: string, args: object = {}): Promise<T> {
    const { body } = await this.drover.rest(tool, args);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data as T;
  }

  /** A node with an instance and a peer; its agent is online and has announced a key. */
  async machine(hostname: string, template: string, network: string): Promise<string> {
    const { node } = await this.ok<{ node: { id: string } }>('system_create_node', {
      hostname,
      node_template_id: template,
    });
    const { instance, join } = await this.ok<{ instance: { id: string }; join: { token: string } }>(
      'system_provision_instance',
      { node_id: node.id },
    );
    await this.ok('system_sdwan_attach_peer', { network_id: network, node_instance_id: instance.id });
    const { foundation } = this.drover.platform;
    const csrDer = await newCsr();
    const about = { agentVersion: '1', hostname, bootId: 'boot', machineId: hostname };
    await foundation.enrollment.get().enroll({ joinToken: join.token, csrDer, ...about });
    const head = await foundation.store.head();
    for await (const event of foundation.store.readStream(instance.id)) this.accountId = event.meta.accountId;
    await this.until(`${hostname} is known`, async () => (await this.position()) >= head);
    this.connected.add(instance.id);
    const hello = agentV1.Hello.fromPartial({
      bootId: 'boot',
      agentVersion: '1',
      architecture: 'x64',
      hostname,
      underlayAddresses: ['10.0.0.1'],
    });
    await this.tell(instance.id, (o, agent) => o.onConnected?.({ hello, agent }));
    const networkId = await this.networkId(network);
    const publicKey = Buffer.from(instance.id.slice(-32)).toString('base64');
    await this.tell(instance.id, (o, agent) => o.onPeerKey?.(agent, { networkId, publicKey, listenPort: 51_820 }));
    return instance.id;
  }

  /** The first bootstraps the cluster of the template's k3s-server assignment, the others join. */
  async cluster(servers: readonly string[], kubeconfig = KUBECONFIG): Promise<string> {
    const claimant = await this.until('the cluster is claimed', async () => {
      const { clusters } = await this.ok<{ clusters: { id: string }[] }>('kubernetes_list_clusters');
      for (const { id } of clusters)
        for await (const event of this.drover.platform.foundation.store.readStream(id)) {
          const by = String(event.data['claimant_instance_id']);
          if (event.type === 'system.cluster.claimed' && servers.includes(by)) return { id, by };
        }
      return undefined;
    });
    const material = { kubeconfig, serverToken: SERVER_TOKEN, caPem: 'ca', version: 'v1.34.1+k3s1' };
    await this.report(claimant.by, Phase.PHASE_INSTALLING, {});
    await this.report(claimant.by, Phase.PHASE_BOOTSTRAP, material);
    await this.report(claimant.by, Phase.PHASE_READY, { version: material.version, clusterId: claimant.id });
    for (const id of servers.filter((one) => one !== claimant.by)) {
      await this.report(id, Phase.PHASE_INSTALLING, {});
      await this.until('the joiner gets its token', async () => {
        const { result } = await this.report(id, Phase.PHASE_JOIN_REQUEST, {});
        return result?.$case === 'ack';
      });
      await this.report(id, Phase.PHASE_READY, { version: material.version, clusterId: claimant.id });
    }
    await this.until('every server may hold the virtual IP', async () => {
      const { virtual_ips } = await this.ok<{ virtual_ips: { candidates?: unknown[] }[] }>(
        'system_sdwan_list_virtual_ips',
      );
      return JSON.stringify(virtual_ips).split('instance-').length > servers.length;
    });
    return claimant.by;
  }

  /** The agent has applied its modules as the platform has them now. */
  async applyModules(instanceId: string): Promise<void> {
    const generation = await this.position();
    const message = { section: 'modules', generation, hash: '', errors: [], applyUs: 1_500 };
    await this.tell(instanceId, (o, agent) => o.onApplied?.(agent, message));
  }

  /** From now on agents vote and take in what they are told about virtual IPs, as healthy ones do. */
  answerMoves(): void {
    const { gateway } = this.drover.platform.foundation;
    const answer = (id: string, call: (o: AgentObserver, agent: AgentIdentity) => Promise<void> | void) => {
      if (this.connected.has(id)) setTimeout(() => void this.tell(id, call), 2);
      return this.connected.has(id);
    };
    gateway.sendVip = (id, { vip_id: vipId, epoch, role, release_after_move: later }) => {
      const taken = role === 'holder' ? Role.ROLE_HOLDER : later ? Role.ROLE_ROUTED : Role.ROLE_RELEASED;
      const ack = { vipId, epoch: BigInt(epoch), role: taken, error: '' };
      return answer(id, (o, agent) => o.onVipAck?.(agent, ack));
    };
    gateway.sendPriority = (id, { message }) => {
      if (message?.$case !== 'voteRequest') return this.connected.has(id);
      const { vipId, epoch } = message.value;
      const promise = { vipId, epoch, granted: true, outstandingMs: 0, holderHeardMsAgo: 0n, promisedEpoch: epoch };
      return answer(id, (o, agent) => o.onVotePromise?.(agent, promise));
    };
  }

  /** Everybody has applied the network as the platform has it now. */
  async applyNetwork(name: string): Promise<void> {
    const section = `network/${await this.networkId(name)}`;
    const generation = await this.position();
    const settled = { section, generation, applied: this.connected.size, behind: [], p50Ms: 3, p99Ms: 7 };
    for (const observer of this.inside<{ observers: AgentObserver[] }>('hub').observers)
      await observer.onSettled?.(settled);
  }

  /** Polls until it is there. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    for (let tries = 0; tries < 1_200; tries++) {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`not within a minute: ${what}`);
  }

  private async report(instanceId: string, phase: agentV1.Phase, more: Partial<agentV1.ReportPhaseRequest>) {
    const handler = this.inside<PhaseHandler[]>('phaseHandlers')[0]!;
    const request = { requestId: systemIds.uuid(), runtime: Runtime.RUNTIME_K3S_SERVER, phase, ...more };
    return handler.handle(this.agent(instanceId), agentV1.ReportPhaseRequest.fromPartial(request));
  }

  private async tell(instanceId: string, call: (o: AgentObserver, agent: AgentIdentity) => Promise<void> | void) {
    for (const observer of this.inside<{ observers: AgentObserver[] }>('hub').observers)
      await call(observer, this.agent(instanceId));
  }

  private agent(instanceId: string): AgentIdentity {
    return { instanceId, accountId: this.accountId, certificateSerial: '1' };
  }

  private async position(): Promise<bigint> {
    return this.inside<{ position: bigint }>('desired').position;
  }

  private async networkId(name: string): Promise<string> {
    const { networks } = await this.ok<{ networks: { id: string; name: string }[] }>('system_sdwan_list_networks');
    return networks.find((network) => network.name === name)!.id;
  }

  /** Parts of the gateway that only its own listeners reach. */
  private inside<T>(part: string): T {
    return Reflect.get(this.drover.platform.foundation.gateway, part) as T;
  }
}

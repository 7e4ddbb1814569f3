import type { Duplex } from 'node:stream';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { errorMessage, type Cancel, failpoint, failpointNow } from '#kernel';
import { categoryOf } from '#kernel';
import type { Batch } from '#event-store';
import { agentV1, type VipItem } from '#proto';
import { DesiredState } from './desired/desired-state.js';
import { Feed } from './desired/feed.js';
import { SharedReceipts } from './receipts/shared-receipts.js';
import type { AgentGatewayOptions } from './gateway-options.js';
import { Refresher } from './desired/refresher.js';
import type {
  AgentCensus,
  AgentLink,
  AgentLiveness,
  AgentObserver,
  DesiredStateSource,
  FoldedSources,
  GatewayRegistrar,
  PhaseHandler,
} from './ports.js';
import { agentServiceDefinition, AgentService } from './server/agent-service.js';
import { enrollmentService } from './server/enrollment-service.js';
import { Listener, stopAll } from './server/listener.js';
import { ListenerCredentials, type ListenerCertificate } from './server/tls.js';
import { SessionHub } from './session/hub.js';
import { Tunnels } from './tunnel/tunnels.js';

const BEFORE_ENROLMENT_BYTES = 64 * 1024;
const AGENT_BYTES = 4 * 1024 * 1024;
const DAY_MS = 86_400_000;
/** A revocation shows at once (its event is seen on the feed); this catches what came another way. */
const RECHECK_MS = 15_000;
/** The handler's own fold may be a moment behind the feed. */
const RECHECK_AGAIN_MS = 400;

/** The agents' side of the platform: two gRPC ports, one fold of the log, one stream per agent. */
export class AgentGateway implements AgentLink, GatewayRegistrar {
  private readonly desired: DesiredState;
  private readonly hub: SessionHub;
  private readonly receipts: SharedReceipts | undefined;
  private readonly tunnels: Tunnels;
  private readonly refresher: Refresher;
  private readonly phaseHandlers: PhaseHandler[] = [];
  private readonly openServices: [ServiceDefinition, UntypedServiceImplementation][] = [];
  private readonly stopping = new AbortController();
  private folding: Promise<void> | undefined;
  private served: string | undefined;
  private readonly cancels: Cancel[] = [];
  private credentials: { readonly mutual: ListenerCredentials; readonly open: ListenerCredentials } | undefined;
  private agentListener: Listener | undefined;
  private enrollListener: Listener | undefined;

  constructor(private readonly options: AgentGatewayOptions) {
    const { clock, timers, log, ids } = options;
    this.desired = new DesiredState(log, options.catalogue, options.pushes);
    this.tunnels = new Tunnels(timers, ids, (instanceId, message) => this.sendPriority(instanceId, message));
    this.hub = new SessionHub({
      clock,
      timers,
      log,
      storeEpoch: options.storeEpoch,
      beats: options.beats,
      authorize: (peer) => options.enrollment().authorize(peer),
      compile: (instanceId) => this.compile(instanceId),
      pushed: (instanceId, sections, generation) => {
        options.pushes?.pushed(instanceId, sections, generation);
        this.receipts?.touch(instanceId);
      },
      onTunnelFailed: (instanceId, message) => this.tunnels.failed(instanceId, message),
      onStreamEnded: (instanceId) => this.tunnels.abandon(instanceId),
    });
    const own = (instanceId: string) => this.hub.liveness(instanceId);
    this.receipts =
      options.receipts &&
      new SharedReceipts(options.receipts, timers, log, own, {
        term: options.term ?? (() => 0),
        wanted: (instanceId) => this.desired.sectionsOf(instanceId),
      });
    const touch = ({ instanceId }: { readonly instanceId: string }) => this.receipts?.touch(instanceId);
    this.addObserver({ onConnected: ({ agent }) => touch(agent), onApplied: touch, onDisconnected: touch });
    const refresh = (instanceId: string, sinceMs: number) => this.hub.refresh(instanceId, sinceMs);
    this.refresher = new Refresher(clock, timers, options.coalesceMs ?? 5, refresh, () => this.hub.forget());
  }

  addSource(source: DesiredStateSource): void {
    this.desired.addSource(source);
  }

  /** Whether agents' streams come here; they are with the process that leads. */
  get admitsAgents(): boolean {
    return this.agentListener !== undefined;
  }

  /** For a fork to begin with. */
  foldedSources(): FoldedSources {
    return this.desired.asFolded();
  }

  addPhaseHandler(handler: PhaseHandler): void {
    this.phaseHandlers.push(handler);
  }

  addObserver(observer: AgentObserver): void {
    this.hub.observers.push(observer);
  }

  /** A service on the port without client certificates, beside Enroll; before start(). It must authenticate its callers. */
  addOpenService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.openServices.push([definition, implementation]);
  }

  /**
   * Folds the log as it is now and follows it. Before the process managers resume: what they send is handled with what the
   * sources know, and an empty directory would pass for an empty fleet.
   */
  fold(): Promise<void> {
    const { store, timers, random, log } = this.options;
    const feed = new Feed({ store, timers, random, log, onBatch: (batch) => this.onBatch(batch) });
    return (this.folding ??= feed.start(this.stopping.signal));
  }

  /** Folds the log unless that is done, then listens for those who enrol, and for agents. Answers the ports. */
  async start(): Promise<{ readonly agentPort: number; readonly enrollPort: number }> {
    const enrollPort = await this.startEnrolling();
    return { agentPort: await this.admitAgents(), enrollPort };
  }

  /** Every process may enrol machines; agents are only where the lead is, see admitAgents. */
  async startEnrolling(): Promise<number> {
    const { timers, log, enrollAddress, enrollment } = this.options;
    await this.fold();
    await failpoint('gateway.folded');
    this.receipts?.start();
    const certificate = await this.certificate();
    this.credentials = {
      mutual: new ListenerCredentials(true, certificate),
      open: new ListenerCredentials(false, certificate),
    };
    const { mutual, open } = this.credentials;
    const enroll = new Listener({ address: enrollAddress, maxReceiveBytes: BEFORE_ENROLMENT_BYTES, credentials: open });
    enroll.addService(agentV1.EnrollmentServiceService, enrollmentService({ enrollment, log }));
    for (const [definition, implementation] of this.openServices) enroll.addService(definition, implementation);
    this.enrollListener = enroll;
    this.cancels.push(timers.every(DAY_MS, () => this.renew([mutual, open])));
    this.cancels.push(timers.every(RECHECK_MS, () => this.recheck([...this.hub.records.keys()])));
    return enroll.listen();
  }

  /**
   * Listens for agents and judges their beats. On one process at a time, the one that leads: what it decides about an agent
   * goes down that agent's stream. On the others nobody listens, so that whoever asks for the port by several addresses
   * finds the one that does. Answers the port.
   */
  async admitAgents(): Promise<number> {
    if (this.agentListener !== undefined) throw new Error('agents are admitted already');
    const { log, agentAddress, enrollment } = this.options;
    const { hub, tunnels, phaseHandlers } = this;
    const window = this.options.reconnectWindowMs ?? 30_000;
    hub.expect((await enrollment().expected?.()) ?? [], window);
    const credentials = this.credentials!.mutual;
    const agents = new Listener({ address: agentAddress, maxReceiveBytes: AGENT_BYTES, credentials });
    const service = new AgentService({ hub, tunnels, enrollment, phaseHandlers, log });
    agents.addService(agentServiceDefinition, service.implementation());
    this.agentListener = agents;
    this.receipts?.lead(true);
    hub.start();
    const agentPort = await agents.listen();
    log.info({ agentPort, position: String(this.desired.position) }, 'agent gateway listens');
    return agentPort;
  }

  /** Sends every agent elsewhere and stops listening for them: another process leads. */
  async dismissAgents(): Promise<void> {
    const agents = this.agentListener;
    if (agents === undefined) return;
    this.agentListener = undefined;
    this.hub.stop();
    await stopAll(this.options.timers, [agents]);
    this.hub.forgetAgents();
    this.receipts?.lead(false);
    this.options.log.info({}, 'another process leads: agents have been sent there');
  }

  /** Says goodbye to every agent and stops listening; resolves when the ports are closed. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.receipts?.stop();
    for (const cancel of this.cancels) cancel();
    this.refresher.stop();
    this.tunnels.stop();
    this.hub.stop();
    await stopAll(this.options.timers, [this.agentListener, this.enrollListener]);
    await Promise.all([...this.hub.records.values()].map((record) => record.heard()));
  }

  liveness(instanceId: string): AgentLiveness {
    const elsewhere = this.agentListener === undefined ? this.receipts?.of(instanceId) : undefined;
    const known = { ...this.hub.liveness(instanceId), ...elsewhere };
    return this.refresher.dirty.has(instanceId) ? { ...known, changing: true } : known;
  }

  sendVip(instanceId: string, item: VipItem): boolean {
    const body = Buffer.from(JSON.stringify(item));
    const value: agentV1.Vip = { vipId: item.vip_id, epoch: BigInt(item.epoch), body };
    return this.sendPriority(instanceId, { message: { $case: 'vip', value } });
  }

  sendPriority(instanceId: string, message: agentV1.SyncResponse): boolean {
    const session = this.hub.records.get(instanceId)?.session;
    if (session === undefined) return false;
    session.priority(message);
    return session.state === 'live';
  }

  setVipCandidate(instanceId: string, isCandidate: boolean): void {
    this.hub.setVipCandidate(instanceId, isCandidate);
  }

  openTunnel(instanceId: string, port: number): Promise<Duplex> {
    return this.tunnels.open(instanceId, port);
  }

  disconnect(instanceId: string, bye: agentV1.Bye): void {
    const record = this.hub.records.get(instanceId);
    for (const session of [record?.challenger, record?.session]) session?.bye(bye.code, bye.message, bye.wipe);
  }

  /** How many agents are in which state, for metrics. */
  census(): AgentCensus {
    return this.hub.census();
  }

  /** The certificate that agents are shown; undefined until it listens. */
  get serverCertificate(): string | undefined {
    return this.served;
  }

  /** Sources set aside because of an event they could not fold, for health reports. */
  faults(): ReadonlyMap<string, string> {
    return this.desired.faulted();
  }

  private compile(instanceId: string) {
    const wanted = this.desired.compile(instanceId);
    return wanted && { wanted, generation: this.desired.position };
  }

  private onBatch(batch: Batch): void {
    this.desired.apply(batch, this.refresher.dirty);
    failpointNow('gateway.batch_folded');
    this.refresher.schedule();
    const touched = batch.events.filter((e) => categoryOf(e.stream) === 'instance').map((e) => e.stream);
    const live = [...new Set(touched)].filter((id) => this.hub.records.has(id));
    if (live.length === 0) return;
    this.recheck(live);
    this.options.timers.after(RECHECK_AGAIN_MS, () => this.recheck(live));
  }

  private recheck(instanceIds: readonly string[]): void {
    for (const instanceId of instanceIds) {
      this.hub.recheck(instanceId).catch((error: unknown) => {
        this.options.log.warn({ instanceId, error: errorMessage(error) }, 'a certificate could not be checked again');
      });
    }
  }

  /** A fresh certificate every day: its life is many times that, so a failure is repaired by the next day's try. */
  private renew(credentials: readonly ListenerCredentials[]): void {
    this.certificate().then(
      (certificate) => credentials.forEach((c) => c.renew(certificate)),
      (error: unknown) => this.options.log.error({ error: errorMessage(error) }, 'listener certificate not renewed'),
    );
  }

  private async certificate(): Promise<ListenerCertificate> {
    const issued = await this.options.ca.issueServerCertificate(this.options.serverNames);
    this.served = issued.certPem;
    return { ...issued, caPem: this.options.ca.caPem() };
  }
}

import { join } from 'node:path';
import { errorMessage, failpoint, Serial } from '#kernel';
import { agentV1 } from '#proto';
import type { Identity, IdentityStore } from './identity/identity-store.js';
import { Departure } from './identity/departure.js';
import { Renewal } from './identity/renewal.js';
import type { Docker } from './docker/docker.js';
import type { Modules } from './k3s/modules.js';
import { NETWORK_PREFIX } from './network/compose.js';
import type { Overlay } from './network/overlay.js';
import type { AgentPorts } from './ports.js';
import {
  applyDelta,
  applySnapshot,
  emptyDesired,
  sectionStates,
  type DesiredState,
  type SectionData,
} from './session/desired-state.js';
import { DesiredStore } from './session/desired-store.js';
import { Session } from './session/session.js';
import { openTunnel } from './tunnel/tunnel.js';
import { AGENT_VERSION, PROTOCOL_VERSION } from './version.js';

export type Ending =
  /** Asked to stop by whoever started it. */
  | { readonly kind: 'stopped' }
  /** The platform said that this agent must not go on. */
  | { readonly kind: 'superseded'; readonly code: string; readonly message: string }
  | { readonly kind: 'wiped' };

export type ReportPhase = (request: agentV1.ReportPhaseRequest) => Promise<agentV1.ReportPhaseResponse>;

export interface AgentParts {
  readonly ports: AgentPorts;
  readonly store: IdentityStore;
  readonly capabilities: Readonly<Record<string, string>>;
  overlay(send: (message: agentV1.SyncRequest) => void, askAnew: (section: string) => void): Overlay;
  modules(send: (message: agentV1.SyncRequest) => void, report: ReportPhase): Modules;
  docker(report: ReportPhase): Docker;
}

/** The platform's reasons for which an agent stops for good; for any other it comes back. */
const FINAL = new Set(['superseded', 'quarantined', 'cloned_identity']);

/** The instance lives and may be enrolled again: a platform of before said `wipe` to this, too. */
const REVOKED = 'certificate_revoked';

/** The agent: keeps a session, keeps the desired state, and makes the node follow it. */
export class Agent {
  private desired: DesiredState = emptyDesired;
  private readonly session: Session;
  private readonly overlay: Overlay;
  private readonly modules: Modules;
  private readonly docker: Docker;
  private readonly desiredStore: DesiredStore;
  private readonly renewal: Renewal;
  private readonly departure: Departure;
  private readonly queues = new Map<string, Serial>();
  private forget = new Set<string>();
  private end: (ending: Ending) => void = () => undefined;
  readonly ended: Promise<Ending>;

  constructor(
    private readonly parts: AgentParts,
    private identity: Identity,
  ) {
    const { ports, store } = parts;
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.session = new Session(ports, {
      open: () => ports.transport.connect(this.identity.agentAddress, this.identity),
      hello: () => this.hello(),
      welcomed: ({ storeEpoch }) => {
        this.overlay.vips.heed(storeEpoch);
        void this.overlay.connected().then(() => {
          this.modules.connected();
          this.docker.connected();
        });
      },
      message: (message) => this.message(message),
    });
    const send = (message: agentV1.SyncRequest) => this.session.send(message);
    this.overlay = parts.overlay(send, (section) => this.resync([section], 'a virtual IP is in no section'));
    this.modules = parts.modules(send, (request) => this.report(request));
    this.docker = parts.docker((request) => this.report(request));
    this.desiredStore = new DesiredStore(ports, join(store.stateDir, 'desired.json'));
    this.departure = new Departure(ports, store, () => ({
      docker: this.docker,
      modules: this.modules,
      overlay: this.overlay,
    }));
    this.renewal = new Renewal(ports, store, {
      identity: () => this.identity,
      connection: () => this.session.current(),
      renewed: (identity) => {
        this.identity = identity;
        this.session.restart('the certificate was renewed');
      },
    });
  }

  /** Converges on the cached desired state first, then connects. */
  async start(): Promise<void> {
    this.desired = await this.desiredStore.load();
    await this.overlay.start();
    if (this.desired.storeEpoch !== '') this.overlay.vips.heed(this.desired.storeEpoch);
    await this.modules.start(this.desired.sections.get('modules')?.items);
    await this.docker.start(this.desired.sections.get('docker')?.items);
    const code = await this.parts.store.wipeBegun(this.identity.instanceId);
    if (code !== undefined && code !== REVOKED) return void this.resumeWipe(code);
    for (const name of this.desired.sections.keys()) void this.converge(name);
    this.session.start();
    this.renewal.start();
  }

  /** `services` also ends what the agent keeps running: k3s and the overlay. */
  async stop(services: boolean): Promise<void> {
    this.departure.stop();
    this.session.stop();
    this.renewal.stop();
    this.overlay.stop();
    await this.desiredStore.finish();
    const fate = services ? 'stop' : 'keep';
    await this.docker.stop(fate);
    await this.modules.stop(fate);
    if (services) await this.overlay.wipe();
    this.end({ kind: 'stopped' });
  }

  private async hello(): Promise<agentV1.Hello> {
    const { ports, store, capabilities } = this.parts;
    const { host } = ports;
    return {
      protocolVersion: PROTOCOL_VERSION,
      agentVersion: AGENT_VERSION,
      architecture: host.architecture,
      bootId: host.bootId,
      startCounter: await store.nextStart(host.uptimeMs(), (error) =>
        ports.log.warn({ error: errorMessage(error) }, 'that a session begins could not be noted'),
      ),
      storeEpoch: this.desired.storeEpoch,
      sections: sectionStates(this.desired, this.forget),
      underlayAddresses: host.underlayAddresses(this.overlay.interfaceNames()),
      memoryBytes: BigInt(host.memoryBytes),
      hostname: host.hostname,
      vipEpochs: this.overlay.vips.epochs(),
      capabilities: { ...capabilities },
    };
  }

  private message(message: NonNullable<agentV1.SyncResponse['message']>): void {
    switch (message.$case) {
      case 'snapshot':
        return this.snapshot(message.value);
      case 'delta':
        return this.delta(message.value);
      case 'vip':
        return this.overlay.vips.message(message.value);
      case 'vipPrepare':
        return this.overlay.vips.prepare(message.value);
      case 'voteRequest':
        return this.overlay.voteRequest(message.value);
      case 'leaseConfirm':
        return this.overlay.leaseConfirm(message.value);
      case 'keyAnnounce':
        return this.overlay.keyAnnounced(message.value);
      case 'keySwitch':
        return void this.overlay.switchKey(message.value);
      case 'openTunnel': {
        const connection = this.session.current();
        if (connection !== undefined)
          openTunnel(this.parts.ports, connection, message.value, (m) => this.session.send(m), this.modules.channel);
        return;
      }
      case 'bye':
        return this.bye(message.value);
      default:
        this.parts.ports.log.debug({ kind: message.$case }, 'message not used by this version');
    }
  }

  private snapshot(snapshot: agentV1.Snapshot): void {
    const result = applySnapshot(this.desired, snapshot);
    this.adopt(result.desired);
    for (const name of result.changed) this.forget.delete(name);
    for (const name of result.removed) void this.drop(name);
    for (const name of result.changed) void this.converge(name);
    if (result.damaged.length > 0) this.resync(result.damaged, 'the section does not match its hash');
  }

  private delta(delta: agentV1.Delta): void {
    const result = applyDelta(this.desired, delta);
    if (result.kind === 'resync') return this.resync([delta.section], result.reason);
    this.adopt(result.desired);
    void this.converge(delta.section);
  }

  private resync(sections: readonly string[], reason: string): void {
    this.parts.ports.log.warn({ sections, reason }, 'asking for a snapshot');
    for (const name of sections) this.forget.add(name);
    // Else the next Hello asks.
    if (this.session.current() !== undefined) void this.session.sayHello();
  }

  private adopt(desired: DesiredState): void {
    this.desired = desired;
    this.overlay.vips.heed(desired.storeEpoch);
    this.desiredStore.save(desired);
  }

  /** Level-triggered: a section that changes again while it is applied is applied once more, in its newest form. */
  private converge(name: string): Promise<void> {
    const queue = this.queues.get(name) ?? new Serial();
    this.queues.set(name, queue);
    const wanted = this.desired.sections.get(name);
    return queue.run(async () => {
      const section = this.desired.sections.get(name);
      if (section === undefined || section !== wanted) return;
      const started = this.parts.ports.clock.monotonicMs();
      await failpoint('agent.applying');
      const errors = await this.apply(name, section);
      await failpoint('agent.applied');
      const applyUs = Math.round((this.parts.ports.clock.monotonicMs() - started) * 1000);
      const { generation, hash } = section;
      this.session.send({ message: { $case: 'applied', value: { section: name, generation, hash, errors, applyUs } } });
    });
  }

  private async apply(name: string, { items, generation }: SectionData): Promise<string[]> {
    try {
      if (name.startsWith(NETWORK_PREFIX))
        return await this.overlay.apply(name, items, this.desired.storeEpoch, generation);
      if (name === 'modules') return this.modules.apply(items);
      if (name === 'docker') return this.docker.apply(items);
      return [];
    } catch (error) {
      this.parts.ports.log.error({ section: name, error: errorMessage(error) }, 'section failed');
      return [errorMessage(error)];
    }
  }

  private drop(name: string): Promise<void> {
    const queue = this.queues.get(name) ?? new Serial();
    return queue.run(async () => {
      if (name.startsWith(NETWORK_PREFIX)) await this.overlay.remove(name);
      else if (name === 'modules') this.modules.apply(new Map());
      else if (name === 'docker') this.docker.apply(new Map());
    });
  }

  private async report(request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse> {
    const connection = this.session.current();
    if (connection === undefined) throw new Error('not connected to the platform');
    return connection.reportPhase(request);
  }

  private bye(bye: agentV1.Bye): void {
    this.parts.ports.log.warn({ code: bye.code, wipe: bye.wipe, reason: bye.message }, 'the platform says goodbye');
    if (bye.wipe && bye.code !== REVOKED) void this.wipe(bye.code);
    else if (FINAL.has(bye.code)) {
      this.session.stop();
      this.renewal.stop();
      this.overlay.stop();
      void this.docker
        .stop('keep')
        .then(() => this.modules.stop('keep'))
        .then(() => this.end({ kind: 'superseded', code: bye.code, message: bye.message }));
    }
  }

  /** What an interface is called, and which rules are its own, is known of a network that was applied. */
  private async resumeWipe(code: string): Promise<void> {
    const networks = [...this.desired.sections.keys()].filter((name) => name.startsWith(NETWORK_PREFIX));
    await Promise.allSettled(networks.map((name) => this.converge(name)));
    await this.wipe(code);
  }

  private async wipe(code: string): Promise<void> {
    this.session.stop();
    this.renewal.stop();
    this.desiredStore.close();
    if (await this.departure.run(code, this.identity)) this.end({ kind: 'wiped' });
  }
}

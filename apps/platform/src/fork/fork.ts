import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { refusal, RefusedError, sha256Hex, type Config, type EventCatalogue, type Log } from '#kernel';
import type { CertificateAuthority } from '#access';
import type { AgentGateway } from '#agent-gateway';
import type { ForkOutcome, ForkRequest } from '#audit';
import { ForkEventStore, START, type EventStore, type Position } from '#event-store';
import { InstanceIndex, type FleetServices } from '#fleet';
import {
  COMMAND_DISPATCHER,
  forkedStorage,
  ProcessingHost,
  type CommandDispatcher,
  type ReadModelSnapshot,
} from '#processing';
import { FailoverService } from '#sdwan';
import { ToolRegistry, type CursorCodec, type ToolAnswer } from '#tools';
import { LateDispatcher } from '../late.js';
import { ForkGateway } from './fork-gateway.js';
import { forkedSecrets, imaginaryDrivers, Notes, publicAuthority, timedLog, timedSnapshot } from './fork-ports.js';
import { ForkModule } from './fork.module.js';
import { ImaginaryKube } from './imaginary-kube.js';
import { VirtualTime } from './virtual-time.js';

/** What a fork begins from: reads of the real platform, and nothing that could change it. */
export interface ForkBase {
  readonly config: Config;
  readonly log: Log;
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly authority: Pick<CertificateAuthority, 'caPem' | 'caDer'>;
  readonly cursors: CursorCodec;
  readonly gateway: Pick<AgentGateway, 'liveness' | 'foldedSources' | 'admitsAgents'>;
  readonly processing: Pick<ProcessingHost, 'snapshot'>;
  readonly services: Pick<FleetServices, 'drivers'>;
  readonly failover: FailoverService;
  readonly now: () => { readonly wallMs: number; readonly monotonicMs: number };
}

/** Virtual time that the start may take: waits for folds, which are told apart from those of the call. */
const START_MS = 2_000;

/** Events that are read in one go: what came after the moment that the fork begins with, a few as a rule. */
const PAGE_EVENTS = 1_000;

interface Parts {
  readonly base: ForkBase;
  readonly app: INestApplicationContext;
  readonly store: ForkEventStore;
  readonly storage: ReturnType<typeof forkedStorage>;
  readonly processing: ProcessingHost;
  readonly gateway: ForkGateway;
  readonly time: VirtualTime;
  readonly notes: Notes;
}

/**
 * The platform once more, in memory and on a virtual clock. It folds nothing anew: read models go their own way from a snapshot of the
 * real ones, sources of the desired state from where the real ones have come to. It is good for one call, and closed then.
 */
export class Fork {
  private snapshot: ReadModelSnapshot | undefined;

  private constructor(private readonly parts: Parts) {}

  static async open(base: ForkBase): Promise<Fork> {
    const { catalogue, cursors } = base;
    const time = new VirtualTime(base.now());
    const notes = new Notes();
    const store = new ForkEventStore(timedLog(base.store, time), START, time);
    const log = base.log.child({ part: 'fork' });
    const storage = forkedStorage();
    const dispatcher = new LateDispatcher();
    const random = () => 0.5;
    const shared = { store, catalogue, storage, dispatcher, clock: time, timers: time, log, random };
    const processing = new ProcessingHost(shared);
    const gateway = new ForkGateway({ store, catalogue, time, notes, liveness: (id) => base.gateway.liveness(id) });
    const drivers = imaginaryDrivers([...base.services.drivers.values()], notes);
    const module = ForkModule.with({
      config: { ...base.config, DROVER_PROVISIONER: undefined },
      ...{ log, time, store, catalogue, processing, gateway, drivers, cursors },
      secrets: forkedSecrets(store, sha256Hex),
      authority: publicAuthority(base.authority),
      kube: new ImaginaryKube(gateway, time, notes),
    });
    const app = await NestFactory.createApplicationContext(module, { abortOnError: false });
    dispatcher.bind(app.get<CommandDispatcher>(COMMAND_DISPATCHER));
    return new Fork({ base, app, store, storage, processing, gateway, time, notes });
  }

  /**
   * Forks at the log's end. `late`, in real time: when the real platform is far behind its own log, this is not the moment.
   */
  async begin(late: () => boolean): Promise<void> {
    const { base, app, store, storage, processing, gateway, time } = this.parts;
    const snapshot = (this.snapshot = await base.processing.snapshot());
    storage.readModels.over(timedSnapshot(snapshot, time));
    await storage.readModels.open(processing.registeredProjections(), 0);
    const folded = base.gateway.foldedSources();
    gateway.adopt(folded);
    for (const [id, standing] of app.get(InstanceIndex).all()) gateway.meet(id, standing);
    const at = await this.follow(folded.position, late);
    store.forkAt(at);
    time.beginAt(base.now());
    this.hearAgents();
    // Managers begin at the fork: what came before is the real platform's to react to.
    const lanes = [...processing.processManagers().map((name) => `process:${name}`), 'process:outputs'];
    await storage.checkpoints.claim(lanes, 0);
    for (const lane of lanes) await storage.checkpoints.save(lane, at, 0);
    await this.start();
  }

  /** As this process has heard them; where agents' streams are with another one, as the log says who is online. */
  private hearAgents(): void {
    const { base, app, gateway } = this.parts;
    const { coordinator } = app.get(FailoverService);
    coordinator.adopt(base.failover.coordinator);
    if (base.gateway.admitsAgents) return;
    coordinator.facts.startAnew();
    gateway.takeForConnected([...app.get(InstanceIndex).present()].map(([id]) => id));
  }

  /** What the real gateway has not folded yet. */
  private async follow(folded: Position, late: () => boolean): Promise<Position> {
    const { base, gateway } = this.parts;
    const head = await base.store.head();
    let at = folded;
    while (at < head) {
      if (late()) throw notReady(at, head);
      const { events, through } = await base.store.readAll(at, { limit: PAGE_EVENTS });
      gateway.fold(events.filter((event) => event.position <= head));
      at = through > head ? head : through;
    }
    return at;
  }

  /** Runs the tool and follows what it leads to. `expired` ends it early, in real time. */
  async run(request: ForkRequest, expired: () => string | undefined): Promise<ForkOutcome> {
    const { time, app, store, gateway, notes } = this.parts;
    const startedMs = time.wallMs();
    const { tool, accountId, operatorId, permissions } = request;
    const principal = { operatorId, accountId, name: operatorId, permissions };
    let answer: ToolAnswer | undefined;
    let answeredMs = startedMs;
    void app
      .get(ToolRegistry)
      .call({ name: tool, arguments: request.arguments, principal })
      .then((given) => {
        answer = given;
        answeredMs = time.wallMs();
      });
    await time.rest();
    let stoppedEarly: string | undefined;
    const refused = () => answer !== undefined && answer.kind !== 'ok' && store.appended.length === 0;
    const end = startedMs + request.horizonMs;
    while (!refused() && (stoppedEarly = expired()) === undefined && (await time.step(end))) continue;
    await this.noteFaults();
    return {
      forkedAt: store.forkedAt,
      answer: answer ?? { kind: 'pending' },
      answeredAfterMs: answeredMs - startedMs,
      events: store.appended,
      startedMs,
      names: gateway.names,
      nodes: gateway.touched(),
      notes: [...notes.all],
      ...(stoppedEarly === undefined ? {} : { stoppedEarly }),
    };
  }

  get appendedCount(): number {
    return this.parts.store.appended.length;
  }

  async close(): Promise<void> {
    const { processing, app, time, store } = this.parts;
    let open = true;
    let failure: unknown;
    void Promise.all([processing.stop(), app.close()])
      .catch((error: unknown) => (failure = error))
      .finally(() => (open = false));
    try {
      // Whoever still sleeps in virtual time has to wake up to notice that it is over.
      for (let i = 0; open && i < 1_000; i++) {
        await time.rest();
        if (open) await time.step(Infinity);
      }
      await store.close();
    } finally {
      // Whatever happens: the connection is the platform's, and the transaction holds tables.
      await this.snapshot?.close();
    }
    if (failure !== undefined) throw failure;
  }

  private async start(): Promise<void> {
    const { processing, storage, time } = this.parts;
    let started = false;
    const starting = processing.start().then(() => (started = true));
    await time.rest();
    const end = time.wallMs() + START_MS;
    while (!started && (await time.step(end))) continue;
    if (!started)
      throw storage.readModels.wantedAnew ?? new Error('the read models of a fork did not catch up with its log');
    await starting;
    // The failover coordinator looks every 20 ms whether the model has caught up.
    const settled = time.wallMs() + 25;
    while (await time.step(settled)) continue;
  }

  /** Whose instance it is and what went wrong with it may be another account's: only the part of the platform is named. */
  private async noteFaults(): Promise<void> {
    for (const { lane } of (await this.parts.processing.status()).faults)
      this.parts.notes.add(`what follows where ${lane.split('-')[0]} stands still`);
  }
}

const notReady = (at: bigint, head: bigint): RefusedError => {
  const share = head === 0n ? 100 : Number((at * 100n) / head);
  const text = `time is up, and the platform itself has come to ${share} % of its log`;
  return new RefusedError(refusal(503, 'fork_not_ready', text, { hint: 'call again when it has caught up' }));
};

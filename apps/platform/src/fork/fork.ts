import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { categoryOf, refusal, RefusedError, sha256Hex, type Config, type EventCatalogue, type Log } from '#kernel';
import type { CertificateAuthority } from '#access';
import type { AgentLink } from '#agent-gateway';
import type { ForkOutcome, ForkRequest } from '#audit';
import { ForkEventStore, START, type EventStore, type Position } from '#event-store';
import type { FleetServices } from '#fleet';
import {
  COMMAND_DISPATCHER,
  memoryStorage,
  PROJECTION_CATEGORY,
  ProcessingHost,
  ReadModelFold,
  type CommandDispatcher,
  type ProcessingStorage,
} from '#processing';
import { FailoverService } from '#sdwan';
import { ToolRegistry, type CursorCodec, type ToolAnswer } from '#tools';
import { LateDispatcher } from '../late.js';
import { ForkGateway } from './fork-gateway.js';
import { forkedSecrets, imaginaryDrivers, Notes, publicAuthority, timedLog } from './fork-ports.js';
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
  readonly liveness: AgentLink['liveness'];
  readonly services: Pick<FleetServices, 'drivers'>;
  readonly failover: FailoverService;
  readonly now: () => { readonly wallMs: number; readonly monotonicMs: number };
}

/** Virtual time that the start may take: waits for folds, which are told apart from those of the call. */
const START_MS = 2_000;

/** Of all read models together; at some 2 KB each. */
const MAX_DOCUMENTS = 300_000;

interface Parts {
  readonly base: ForkBase;
  readonly app: INestApplicationContext;
  readonly store: ForkEventStore;
  readonly storage: ProcessingStorage;
  readonly processing: ProcessingHost;
  readonly gateway: ForkGateway;
  readonly time: VirtualTime;
  readonly notes: Notes;
  readonly fold: ReadModelFold;
  /** The log's end before the fold looked which events it is to skip. */
  readonly openedAt: Position;
}

/**
 * The platform once more, in memory and on a virtual clock. First it is made to follow the log, page by page and for as long as nobody
 * needs it; then it begins, at the log's end, for one call; then it is closed.
 */
export class Fork {
  private at: Position = START;
  private isStale = false;

  private constructor(private readonly parts: Parts) {}

  /** A fork that has folded nothing yet. */
  static async prepare(base: ForkBase): Promise<Fork> {
    const { catalogue, cursors } = base;
    const time = new VirtualTime(base.now());
    const notes = new Notes();
    const store = new ForkEventStore(timedLog(base.store, time), START, time);
    const log = base.log.child({ part: 'fork' });
    const storage = memoryStorage();
    const dispatcher = new LateDispatcher();
    const random = () => 0.5;
    const shared = { store, catalogue, storage, dispatcher, clock: time, timers: time, log, random };
    const processing = new ProcessingHost(shared);
    const gateway = new ForkGateway({ store, catalogue, time, notes, liveness: base.liveness });
    const drivers = imaginaryDrivers([...base.services.drivers.values()], notes);
    const module = ForkModule.with({
      config: { ...base.config, DROVER_PROVISIONER: undefined },
      ...{ log, time, store, catalogue, processing, gateway, drivers, cursors },
      secrets: forkedSecrets(store, sha256Hex),
      authority: publicAuthority(base.authority),
      kube: new ImaginaryKube(gateway, time, notes),
    });
    const openedAt = await base.store.head();
    const app = await NestFactory.createApplicationContext(module, { abortOnError: false });
    dispatcher.bind(app.get<CommandDispatcher>(COMMAND_DISPATCHER));
    const projections = processing.registeredProjections();
    const fold = await ReadModelFold.open(base.store, { readModels: storage.readModels, projections, catalogue, log });
    return new Fork({ base, app, store, storage, processing, gateway, time, notes, fold, openedAt });
  }

  /** Everything up to here is folded. */
  get foldedTo(): Position {
    return this.at;
  }

  /** What was folded would have to be folded otherwise now: an operator gave orders about a projection. */
  get stale(): boolean {
    return this.isStale;
  }

  /** One page of the log, and nothing beyond `head`; true when that is reached. */
  async foldPage(head: Position, limit: number): Promise<boolean> {
    if (this.at >= head) return true;
    const { base, gateway, fold, openedAt } = this.parts;
    const { events: page, through } = await base.store.readAll(this.at, { limit });
    const to = through > head ? head : through;
    const events = page.filter((event) => event.position <= to);
    this.isStale ||= events.some((e) => categoryOf(e.stream) === PROJECTION_CATEGORY && e.position > openedAt);
    gateway.fold(events);
    await fold.apply(events, to);
    this.at = to;
    if (fold.documents > MAX_DOCUMENTS) throw tooLarge(fold.documents);
    return to >= head;
  }

  /** Forks where the fold has come to. */
  async begin(): Promise<void> {
    const { base, app, store, storage, processing, gateway, time } = this.parts;
    store.forkAt(this.at);
    time.beginAt(base.now());
    gateway.begin();
    app.get(FailoverService).coordinator.adopt(base.failover.coordinator);
    // Managers begin at the fork: what came before is the real platform's to react to.
    const lanes = [...processing.processManagers().map((name) => `process:${name}`), 'process:outputs'];
    await storage.checkpoints.claim(lanes, 0);
    for (const lane of lanes) await storage.checkpoints.save(lane, this.at, 0);
    await this.start();
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
    const stopped = Promise.all([processing.stop(), app.close()]);
    let open = true;
    void stopped.finally(() => (open = false));
    // Whoever still sleeps in virtual time has to wake up to notice that it is over.
    for (let i = 0; open && i < 1_000; i++) {
      await time.rest();
      if (open) await time.step(Infinity);
    }
    await store.close();
  }

  private async start(): Promise<void> {
    const { processing, time } = this.parts;
    let started = false;
    const starting = processing.start().then(() => (started = true));
    await time.rest();
    const end = time.wallMs() + START_MS;
    while (!started && (await time.step(end))) continue;
    if (!started) throw new Error('the read models of a fork did not catch up with its log');
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

const tooLarge = (documents: number): RefusedError => {
  const hint = 'call the tool itself; what it is about to do is told before a dangerous one is confirmed';
  const text = `a fork would hold ${documents} documents in memory, and at most ${MAX_DOCUMENTS} are`;
  return new RefusedError(refusal(413, 'fork_too_large', text, { hint }));
};

import { NestFactory } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import { sha256Hex, type Config, type EventCatalogue, type Log } from '#kernel';
import type { CertificateAuthority } from '#access';
import type { AgentLink } from '#agent-gateway';
import type { ForkOutcome, ForkRequest } from '#audit';
import { ForkEventStore, type EventStore, type Position } from '#event-store';
import type { FleetServices } from '#fleet';
import { COMMAND_DISPATCHER, memoryStorage, ProcessingHost, type CommandDispatcher } from '#processing';
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
  readonly head: Position;
  readonly catalogue: EventCatalogue;
  readonly authority: Pick<CertificateAuthority, 'caPem' | 'caDer'>;
  readonly cursors: CursorCodec;
  readonly liveness: AgentLink['liveness'];
  readonly services: Pick<FleetServices, 'drivers'>;
  readonly failover: FailoverService;
  readonly now: { readonly wallMs: number; readonly monotonicMs: number };
}

/** Virtual time that the start may take: waits for folds, which are told apart from those of the call. */
const START_MS = 2_000;

/** The platform once more, in memory and on a virtual clock, over the log as it is at `head`. One call, then it is closed. */
export class Fork {
  private constructor(
    private readonly app: INestApplicationContext,
    private readonly store: ForkEventStore,
    private readonly processing: ProcessingHost,
    private readonly gateway: ForkGateway,
    private readonly time: VirtualTime,
    private readonly notes: Notes,
  ) {}

  static async open(base: ForkBase): Promise<Fork> {
    const { catalogue, head, cursors } = base;
    const time = new VirtualTime(base.now);
    const notes = new Notes();
    const store = new ForkEventStore(timedLog(base.store, time), head, time);
    const log = base.log.child({ part: 'fork' });
    const storage = memoryStorage();
    const dispatcher = new LateDispatcher();
    const random = () => 0.5;
    const processing = new ProcessingHost({
      store,
      catalogue,
      storage,
      dispatcher,
      clock: time,
      timers: time,
      log,
      random,
    });
    const gateway = new ForkGateway({ store, catalogue, time, notes, liveness: base.liveness });
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
    app.get(FailoverService).coordinator.adopt(base.failover.coordinator);
    await gateway.fold();
    // Managers begin at the fork: what came before is the real platform's to react to.
    const lanes = [...processing.processManagers().map((name) => `process:${name}`), 'process:outputs'];
    await storage.checkpoints.claim(lanes, 0);
    for (const lane of lanes) await storage.checkpoints.save(lane, head, 0);
    const fork = new Fork(app, store, processing, gateway, time, notes);
    await fork.start();
    return fork;
  }

  /** Runs the tool and follows what it leads to. `expired` ends it early, in real time. */
  async run(request: ForkRequest, expired: () => string | undefined): Promise<ForkOutcome> {
    const startedMs = this.time.wallMs();
    const { tool, accountId, operatorId, permissions } = request;
    const principal = { operatorId, accountId, name: operatorId, permissions };
    let answer: ToolAnswer | undefined;
    let answeredMs = startedMs;
    void this.app
      .get(ToolRegistry)
      .call({ name: tool, arguments: request.arguments, principal })
      .then((given) => {
        answer = given;
        answeredMs = this.time.wallMs();
      });
    await this.time.rest();
    let stoppedEarly: string | undefined;
    const refused = () => answer !== undefined && answer.kind !== 'ok' && this.store.appended.length === 0;
    const end = startedMs + request.horizonMs;
    while (!refused() && (stoppedEarly = expired()) === undefined && (await this.time.step(end))) continue;
    await this.noteFaults();
    return {
      forkedAt: this.store.forkedAt,
      answer: answer ?? { kind: 'pending' },
      answeredAfterMs: answeredMs - startedMs,
      events: this.store.appended,
      startedMs,
      names: this.gateway.names,
      nodes: this.gateway.touched(),
      notes: [...this.notes.all],
      ...(stoppedEarly === undefined ? {} : { stoppedEarly }),
    };
  }

  get appendedCount(): number {
    return this.store.appended.length;
  }

  async close(): Promise<void> {
    const stopped = Promise.all([this.processing.stop(), this.app.close()]);
    let open = true;
    void stopped.finally(() => (open = false));
    // Whoever still sleeps in virtual time has to wake up to notice that it is over.
    for (let i = 0; open && i < 1_000; i++) {
      await this.time.rest();
      if (open) await this.time.step(Infinity);
    }
    await this.store.close();
  }

  private async start(): Promise<void> {
    let started = false;
    const starting = this.processing.start().then(() => (started = true));
    await this.time.rest();
    const end = this.time.wallMs() + START_MS;
    while (!started && (await this.time.step(end))) continue;
    if (!started) throw new Error('the read models of a fork did not catch up with its log');
    await starting;
    // The failover coordinator looks every 20 ms whether the model has caught up.
    const settled = this.time.wallMs() + 25;
    while (await this.time.step(settled)) continue;
  }

  /** Whose instance it is and what went wrong with it may be another account's: only the part of the platform is named. */
  private async noteFaults(): Promise<void> {
    for (const { lane } of (await this.processing.status()).faults)
      this.notes.add(`what follows where ${lane.split('-')[0]} stands still`);
  }
}

import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import express, { type NextFunction, type Request, type Response } from 'express';
import type { AddressInfo } from 'node:net';
import { ConfigError, errorMessage, systemClock, systemTimers, type Config, type Log } from '#kernel';
import { ENROLLMENT_HANDLER, type EnrollmentHandler } from '#agent-gateway';
import { COMMAND_DISPATCHER, type CommandDispatcher } from '#processing';
import { NestLog } from './adapters/nest-log.js';
import { AgentAdmission } from './agent-admission.js';
import { Closing } from './closing.js';
import { openFoundation, type Foundation } from './foundation.js';
import { isLoopback, originCheck } from './http/origin-check.js';
import { parseAddress, withPort } from './addresses.js';
import { Metrics } from './metrics.js';
import { openStore, type OpenedStore } from './parts/event-store.js';
import { PlatformModule } from './platform.module.js';
import { Readiness } from './readiness.js';
import { StoreMetrics } from './store-metrics.js';
import { openTraces, receipts } from './telemetry/open.js';
import { MAX_BODY_BYTES } from './version.js';

const HTTP_GRACE_MS = 3_000;

export interface PlatformOptions {
  readonly config: Config;
  readonly log: Log;
  /** The store, when it is being opened already; else it is opened here. */
  readonly opened?: OpenedStore;
  /** `throw` in tests: an answer outside its tool's schema is a bug. */
  readonly onBadOutput?: 'throw' | 'log';
}

export interface RunningPlatform {
  readonly httpUrl: string;
  /** HOST:PORT of the listeners for agents. */
  readonly agentAddress: string;
  readonly enrollAddress: string;
  readonly foundation: Foundation;
  readonly app: NestExpressApplication;
  /** Set on the very first start only. */
  readonly firstToken?: string;
  close(): Promise<void>;
}

/** Starts everything in order; on a failure what was started is stopped again before the error goes up. */
export const startPlatform = async (options: PlatformOptions): Promise<RunningPlatform> => {
  const closing = new Closing(options.log);
  try {
    return await start(options, closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
};

const start = async (options: PlatformOptions, closing: Closing): Promise<RunningPlatform> => {
  const { config, log, onBadOutput } = options;
  const bare = options.opened ?? (await openStore(config, log));
  closing.add('event store', bare.close);
  const storeMetrics = new StoreMetrics(systemClock);
  const traces = await openTraces(config, closing);
  const metered = storeMetrics.meter(bare.store);
  traces?.beginAt(await metered.head());
  const opened = { ...bare, store: traces?.watch(metered) ?? metered };
  const foundation = await openFoundation({ config, log, opened, closing, traces });
  const { processing, gateway } = foundation;
  if (traces !== undefined) gateway.addObserver(receipts(traces));
  const app = await createApp(foundation, onBadOutput ?? 'log');
  closing.add('http', () => closeHttp(app));
  closing.add('consumers', () => foundation.consumers.stop());
  await app.init();
  foundation.dispatcher.bind(app.get<CommandDispatcher>(COMMAND_DISPATCHER));
  foundation.enrollment.bind(app.get<EnrollmentHandler>(ENROLLMENT_HANDLER, { strict: false }));
  await gateway.fold();
  await processing.start();
  foundation.consumers.webhooks.start();
  app.get(Metrics).watchStore(storeMetrics);
  app.get(Metrics).watchAgents(gateway);
  const agents = await startGateway(foundation, closing);
  watch(app.get(Readiness), foundation);
  app.get(Metrics).watchProcessing(processing);
  app.get(Readiness).leads = async () => (await processing.status()).role === 'leading';
  const httpUrl = await listen(app, config);
  const { firstToken } = foundation.access;
  return {
    httpUrl,
    ...agents,
    foundation,
    app,
    ...(firstToken === undefined ? {} : { firstToken }),
    close: () => closing.run(),
  };
};

/** The ports for agents and for those who enrol; agents are admitted as long as this process leads. */
const startGateway = async ({ gateway, processing, config, log }: Foundation, closing: Closing) => {
  const [agents, enroll] = [config.DROVER_AGENT_ADDR, config.DROVER_ENROLL_ADDR];
  try {
    const enrollPort = await gateway.startEnrolling();
    const admission = new AgentAdmission(gateway, systemTimers, log);
    closing.add('agent admission', () => admission.stop());
    const agentPort = await admission.follow(processing);
    return {
      agentAddress: agentPort === undefined ? agents : withPort(agents, agentPort),
      enrollAddress: withPort(enroll, enrollPort),
    };
  } catch (error) {
    const isEnroll = errorMessage(error).includes(enroll);
    throw isEnroll ? listenError('DROVER_ENROLL_ADDR', enroll, error) : listenError('DROVER_AGENT_ADDR', agents, error);
  }
};

const watch = (readiness: Readiness, { store, processing, gateway }: Foundation): void => {
  readiness.add('event_store', async () => (await store.head()) >= 0n);
  readiness.add('processing', async () => (await processing.status()).faults.length === 0);
  readiness.add('agent_gateway', () => gateway.faults().size === 0);
};

const createApp = async (foundation: Foundation, onBadOutput: 'throw' | 'log'): Promise<NestExpressApplication> => {
  const app = await NestFactory.create<NestExpressApplication>(PlatformModule.with(foundation, onBadOutput), {
    logger: new NestLog(foundation.log.child({ part: 'nest' })),
    bodyParser: false,
    abortOnError: false,
  });
  app.disable('x-powered-by');
  // Only what a GET read has one, and those are made by hand.
  app.disable('etag');
  app.use(neverCached);
  const { DROVER_HTTP_ADDR, DROVER_PUBLIC_URL } = foundation.config;
  app.use(originCheck(isLoopback(parseAddress(DROVER_HTTP_ADDR).host), DROVER_PUBLIC_URL));
  app.use('/api', express.json({ limit: MAX_BODY_BYTES, strict: false, type: () => true }));
  return app;
};

/** Answers hold kubeconfigs and tokens. */
const neverCached = (_: Request, response: Response, next: NextFunction): void => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};

/** Lets calls that are under way finish, for a while; streams that never end are cut. */
const closeHttp = async (app: NestExpressApplication): Promise<void> => {
  const cancel = systemTimers.after(HTTP_GRACE_MS, () => app.getHttpServer().closeAllConnections());
  await app.close();
  cancel();
};

/**
 * A client that calls again in the moment at which its idle connection is ended here has its call reset. Node's own 5 s are less than
 * the pauses between an assistant's calls, and less than what reverse proxies keep theirs for (60 s).
 */
const IDLE_CONNECTION_MS = 75_000;

const listen = async (app: NestExpressApplication, config: Config): Promise<string> => {
  const { host, port } = parseAddress(config.DROVER_HTTP_ADDR);
  app.getHttpServer().keepAliveTimeout = IDLE_CONNECTION_MS;
  try {
    await app.listen(port, host);
  } catch (error) {
    throw listenError('DROVER_HTTP_ADDR', config.DROVER_HTTP_ADDR, error);
  }
  const bound = app.getHttpServer().address() as AddressInfo;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
};

/** By the text, because gRPC wraps the system's error in one without a code. */
const listenError = (setting: string, address: string, error: unknown): unknown => {
  const code = /\b(EADDRINUSE|EACCES|EADDRNOTAVAIL)\b/.exec(errorMessage(error))?.[0] ?? '';
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `${address} is in use already; stop what listens there or set ${setting} to another HOST:PORT`,
    EACCES: `this user may not listen on ${address}; set ${setting} to a port above 1023`,
    EADDRNOTAVAIL: `this machine has no address ${address}; set ${setting}`,
  };
  const reason = reasons[code];
  return reason === undefined ? error : new ConfigError(`${setting}: ${reason}`);
};

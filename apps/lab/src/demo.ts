import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireNode24 } from '#kernel';
import { Cleanup } from './demo/cleanup.js';
import { Narrator, took } from './demo/narrator.js';
import { Operator } from './demo/operator.js';
import { SERVERS, Story, WORKER, type StoryResult } from './demo/story.js';
import { labWorld } from './demo/world.js';
import { Lab } from './lab.js';
import { detectNetwork } from './level.js';
import { choosePorts, PlatformProcess } from './platform-process.js';
import { runningLabs } from './run-state.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const OPTIONS = ['--empty', '--exit', '--json', '--help'];
const HELP = `npm run demo -- [--empty] [--exit] [--json]

  Plays tutorial 04 on this machine: a platform, four machines as namespaces, a workstation.
  --empty  only the platform and the machines; the story is yours (docs/tutorials/04-k3s-cluster.md)
  --exit   end after the story, with 0 only if every step held
  --json   print the timings as one JSON document instead of the story
`;

interface Running {
  readonly platform: PlatformProcess;
  readonly lab: Lab;
}

/** Nobody shall take the stand-in's pods for running ones. */
const kindOfK3s = ({ k3sBin }: Lab): string =>
  process.env['DROVER_K3S_BIN'] === undefined
    ? 'a stand-in with its command line, files and TLS API, which runs no containers; DROVER_K3S_BIN=/path/to/k3s takes the real one'
    : k3sBin;

const bringUp = async (say: Narrator, cleanup: Cleanup): Promise<Running> => {
  say.chapter('Drover: tutorial 04 on this machine');
  const ports = await choosePorts(undefined, new Set(runningLabs().flatMap((lab) => lab.ports ?? [])));
  const lab = await say.step(
    'four machines and a workstation',
    () => Lab.create({ hosts: [...SERVERS, WORKER], platformPorts: Object.values(ports), root: ROOT }),
    (made) => `network: ${made.network.level} (${made.network.real})`,
  );
  cleanup.add(() => lab.destroy());
  if (lab.network.missing !== '') say.line(`  missing: ${lab.network.missing}`);
  say.line(`    → K3s: ${kindOfK3s(lab)}`);
  // In the lab's folder, which the next lab removes should nobody be left to.
  const dataDir = join(lab.dir, 'data');
  const platform = new PlatformProcess({
    root: ROOT,
    dataDir,
    ports,
    logFile: join(lab.dir, 'logs/platform.log'),
    publicUrl: lab.publicUrl(ports.http),
    provisionerSocket: lab.provisionerSocket,
  });
  cleanup.add(() => platform.stop());
  cleanup.refuseLate();
  await say.step(
    'the platform, on embedded Postgres',
    () => platform.start(),
    () =>
      `${platform.httpUrl}, agents on :${ports.agents}, enrolment on :${ports.enroll}; logs in ${join(lab.dir, 'logs')}`,
  );
  lab.announce({ url: platform.httpUrl, tokenFile: join(dataDir, 'admin.token') });
  return { platform, lab };
};

const verdict = (say: Narrator, result: StoryResult, ms: number): void =>
  say.chapter(
    `Every step held, in ${took(ms)}. The API endpoint was away for ${result.drainGapMs.toFixed(0)} ms while it moved.`,
  );

const lookAround = (lab: string) => `
eval "$(npx drover lab env ${lab})"
npx drover cluster list
npx drover recent-events --kind-prefix system.k3s
npx drover lab exec workstation -- kubectl get nodes
npx drover lab exec workstation -- kubectl run hello --image nginx:1.27-alpine --port 80 --restart Never
npx drover lab exec workstation -- kubectl get pod hello -w`;
const begin = (lab: string) => `
eval "$(npx drover lab env ${lab})"
npx drover tools
npx drover network create name=k3s-prod-net`;

const tryNext = (say: Narrator, { platform, lab }: Running, empty: boolean): void => {
  say.line(
    empty
      ? 'The machines wait for you. Begin, from another terminal in this folder:'
      : 'Try next, from another terminal in this folder:',
  );
  say.block((empty ? begin : lookAround)(lab.id).trim());
  say.line('');
  if (empty) say.line('docs/tutorials/04-k3s-cluster.md goes on from there.\n');
  say.line('For an assistant or any MCP client (Streamable HTTP, bearer token):');
  say.block(`${platform.httpUrl}/mcp\n${platform.token}`);
  say.line('');
  say.line('Ctrl-C ends everything and leaves nothing behind.');
};

interface Played {
  readonly running: Running;
  /** Absent when nothing was played. */
  readonly result?: StoryResult;
}

const play = async (say: Narrator, cleanup: Cleanup, empty: boolean): Promise<Played> => {
  const running = await bringUp(say, cleanup);
  if (empty) return { running };
  const operator = await Operator.connect(`${running.platform.httpUrl}/mcp`, running.platform.token);
  cleanup.add(() => operator.close());
  cleanup.refuseLate();
  const result = await new Story(operator, labWorld(running.lab), say).play();
  return { running, result };
};

/** The first signal ends the demo in order; later ones wait for that. */
const untilSignal = (): Promise<'interrupted'> =>
  new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve('interrupted'));
    setInterval(() => undefined, 3_600_000);
  });

const report = (say: Narrator, result?: StoryResult, error?: string): void => {
  const gaps = result?.gaps;
  const document = {
    ok: error === undefined,
    ...(error === undefined ? {} : { error }),
    network: detectNetwork().level,
    ...(gaps === undefined
      ? {}
      : {
          drain_gap_ms: Math.round(gaps.pingMs),
          https_gap_ms: Math.round(gaps.httpsMs),
          watch_recovery_ms: Math.round(gaps.watchMs),
        }),
    total_ms: say.timings.reduce((sum, step) => sum + step.ms, 0),
    steps: say.timings,
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
};

const perform = async (options: { json: boolean; exit: boolean; empty: boolean }): Promise<number> => {
  const say = new Narrator(options.json);
  const cleanup = new Cleanup();
  const interrupted = untilSignal();
  const started = performance.now();
  const playing = play(say, cleanup, options.empty);
  try {
    const outcome = await Promise.race([playing, interrupted]);
    if (outcome === 'interrupted') {
      if (options.json) report(say, undefined, 'interrupted');
      say.mute();
      process.stderr.write('\nInterrupted; cleaning up …\n');
      return 130;
    }
    if (options.json) report(say, outcome.result);
    if (outcome.result !== undefined) verdict(say, outcome.result, performance.now() - started);
    if (options.exit) return 0;
    tryNext(say, outcome.running, options.empty);
    await interrupted;
    say.line('Cleaning up …');
    return 0;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (options.json) report(say, undefined, message);
    process.stderr.write(`\nThe story did not hold: ${message}\n`);
    if (process.env['DROVER_LAB_KEEP'] === '1') await interrupted;
    return 1;
  } finally {
    await cleanup.run(Promise.allSettled([playing]));
  }
};

const main = async (argv: readonly string[]): Promise<number> => {
  requireNode24(process.version, (message) => {
    process.stderr.write(`${message}\n`);
    process.exit(2);
  });
  const foreign = argv.find((word) => !OPTIONS.includes(word));
  if (foreign !== undefined) {
    process.stderr.write(`unknown option ${foreign}\n\n${HELP}`);
    return 2;
  }
  if (argv.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  return perform({ json: argv.includes('--json'), exit: argv.includes('--exit'), empty: argv.includes('--empty') });
};

void main(process.argv.slice(2)).then((code) => process.exit(code));

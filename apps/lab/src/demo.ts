import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Narrator, took } from './demo/narrator.js';
import { Operator } from './demo/operator.js';
import { SERVERS, Story, WORKER, type StoryResult } from './demo/story.js';
import { labWorld } from './demo/world.js';
import { Lab } from './lab.js';
import { choosePorts, PlatformProcess } from './platform-process.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const OPTIONS = ['--exit', '--json', '--help'];
const HELP = `npm run demo -- [--exit] [--json]

  Plays tutorial 04 on this machine: a platform, four machines as namespaces, a workstation.
  --exit   end after the story, with 0 only if every step held
  --json   print the timings as one JSON document instead of the story
`;

interface Running {
  readonly platform: PlatformProcess;
  readonly lab: Lab;
  readonly dataDir: string;
}

/** Ends what was started, newest first; every part even if one fails. */
class Cleanup {
  private readonly steps: (() => Promise<void>)[] = [];
  private done: Promise<void> | undefined;

  add(step: () => Promise<void>): void {
    this.steps.unshift(step);
  }

  run(): Promise<void> {
    this.done ??= (async () => {
      for (const step of this.steps) {
        try {
          await step();
        } catch (cause) {
          process.stderr.write(`cleaning up: ${cause instanceof Error ? cause.message : String(cause)}\n`);
        }
      }
    })();
    return this.done;
  }
}

const bringUp = async (say: Narrator, cleanup: Cleanup): Promise<Running> => {
  say.chapter('Drover: tutorial 04 on this machine');
  const ports = await choosePorts();
  const dataDir = mkdtempSync(join(tmpdir(), 'drover-demo-'));
  cleanup.add(async () => rmSync(dataDir, { recursive: true, force: true }));
  const lab = await say.step(
    'four machines and a workstation',
    () => Lab.create({ hosts: [...SERVERS, WORKER], platformPorts: Object.values(ports), root: ROOT }),
    (made) => `network: ${made.network.level} (${made.network.real})`,
  );
  cleanup.add(() => lab.destroy());
  if (lab.network.missing !== '') say.line(`  missing: ${lab.network.missing}`);
  const platform = new PlatformProcess({
    root: ROOT,
    dataDir,
    ports,
    logFile: join(lab.dir, 'logs/platform.log'),
    publicUrl: lab.publicUrl(ports.http),
    provisionerSocket: lab.provisionerSocket,
  });
  cleanup.add(() => platform.stop());
  await say.step(
    'the platform, on embedded Postgres',
    () => platform.start(),
    () =>
      `${platform.httpUrl}, agents on :${ports.agents}, enrolment on :${ports.enroll}; logs in ${join(lab.dir, 'logs')}`,
  );
  return { platform, lab, dataDir };
};

const verdict = (say: Narrator, result: StoryResult, ms: number): void =>
  say.chapter(
    `Every step held, in ${took(ms)}. The API endpoint was away for ${result.drainGapMs.toFixed(0)} ms while it moved.`,
  );

const tryNext = (say: Narrator, { platform, dataDir }: Running): void => {
  const token = join(dataDir, 'admin.token');
  const address = `DROVER_URL=${platform.httpUrl} DROVER_TOKEN=$(cat ${token})`;
  say.line('Try next, from another terminal in this folder:');
  say.block(
    `
npx drover lab exec workstation -- kubectl get nodes
npx drover lab exec workstation -- kubectl run hello --image nginx:1.27-alpine --port 80 --restart Never
npx drover lab exec workstation -- kubectl get pod hello -w
${address} npx drover recent-events --kind-prefix system.k3s
${address} npx drover tools`.trim(),
  );
  say.line('');
  say.line('For an assistant or any MCP client (Streamable HTTP, bearer token):');
  say.block(`${platform.httpUrl}/mcp\n${platform.token}`);
  say.line('');
  say.line('Ctrl-C ends everything and leaves nothing behind.');
};

const play = async (say: Narrator, cleanup: Cleanup): Promise<{ running: Running; result: StoryResult }> => {
  const running = await bringUp(say, cleanup);
  const operator = await Operator.connect(`${running.platform.httpUrl}/mcp`, running.platform.token);
  cleanup.add(() => operator.close());
  const result = await new Story(operator, labWorld(running.lab), say).play();
  return { running, result };
};

const untilSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
    setInterval(() => undefined, 3_600_000);
  });

const report = (say: Narrator, ok: boolean, network: string | undefined, result?: StoryResult): void => {
  const document = {
    ok,
    network,
    drain_gap_ms: result === undefined ? undefined : Math.round(result.drainGapMs),
    steps: say.timings,
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
};

const main = async (argv: readonly string[]): Promise<number> => {
  const foreign = argv.find((word) => !OPTIONS.includes(word));
  if (foreign !== undefined || argv.includes('--help')) {
    process.stdout.write(foreign === undefined ? HELP : `unknown option ${foreign}\n\n${HELP}`);
    return foreign === undefined ? 0 : 2;
  }
  const [json, exit] = [argv.includes('--json'), argv.includes('--exit')];
  const say = new Narrator(json);
  const cleanup = new Cleanup();
  const interrupted = untilSignal().then(() => 'interrupted' as const);
  const started = performance.now();
  try {
    const outcome = await Promise.race([play(say, cleanup), interrupted]);
    if (outcome === 'interrupted') return 130;
    const { running, result } = outcome;
    if (json) report(say, true, running.lab.network.level, result);
    verdict(say, result, performance.now() - started);
    if (exit) return 0;
    tryNext(say, running);
    await interrupted;
    return 0;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (json) report(say, false, undefined);
    process.stderr.write(`\nThe story did not hold: ${message}\n`);
    if (process.env['DROVER_LAB_KEEP'] === '1') await interrupted;
    return 1;
  } finally {
    await cleanup.run();
  }
};

void main(process.argv.slice(2)).then((code) => process.exit(code));

import { Agent, get } from 'node:https';
import { sleep } from '../processes.js';
import { readKubeconfig } from './kubeconfig.js';

/**
 * `api-main KUBECONFIG`: reads /readyz in a loop and keeps a watch of the nodes open, as a client of the cluster would.
 * Prints `ready` when both are served, and on SIGINT one line of JSON with what was missed.
 */
const { server, tls } = readKubeconfig(process.argv[2]!);
const GET_EVERY_MS = 10;
const TIMEOUT_MS = 500;

const seen = { httpsMs: 0, httpsFailed: 0, gets: 0, watchMs: 0, watchesEnded: 0, watchEvents: 0 };
const since = { answer: 0, watch: 0 };

const readyz = (agent: Agent): Promise<boolean> =>
  new Promise((resolve) => {
    const call = get(`${server}/readyz`, { ...tls, agent, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    call.once('timeout', () => call.destroy(new Error('timeout')));
    call.once('error', () => resolve(false));
  });

/** Silence until the last moment counts as well. */
const noteSilence = (now = performance.now()): void => {
  if (since.answer > 0) seen.httpsMs = Math.max(seen.httpsMs, now - since.answer);
};

const readLoop = async (): Promise<never> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (;;) {
    const isAnswered = await readyz(agent);
    seen.gets++;
    if (isAnswered) {
      noteSilence();
      since.answer = performance.now();
      announce();
    } else seen.httpsFailed++;
    await sleep(GET_EVERY_MS);
  }
};

interface WatchEvent {
  readonly type: string;
  readonly object: { readonly metadata?: { readonly resourceVersion?: string }; readonly code?: number };
}
let version = '';

/** One watch from the version seen last, until it ends. */
const watch = (): Promise<void> =>
  new Promise((resolve) => {
    const url = `${server}/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=${version}`;
    const call = get(url, { ...tls, agent: false }, (response) => {
      clearTimeout(slow);
      if (response.statusCode !== 200) return void call.destroy(new Error(`watch: ${response.statusCode ?? 0}`));
      if (since.watch > 0) seen.watchMs = Math.max(seen.watchMs, performance.now() - since.watch);
      since.watch = 0;
      announce();
      let rest = '';
      response.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop()!;
        for (const line of lines) note(JSON.parse(line) as WatchEvent);
      });
      response.once('error', () => response.destroy());
      response.once('close', resolve);
    });
    const slow = setTimeout(() => call.destroy(new Error('timeout')), TIMEOUT_MS);
    // Nothing else tells of a server that fell silent: the kernel's probes do, as in client-go's transport.
    call.once('socket', (socket) => socket.setKeepAlive(true, 1_000));
    call.once('error', () => {
      clearTimeout(slow);
      resolve();
    });
  });

const note = ({ type, object }: WatchEvent): void => {
  // 410 Gone: what was missed is no longer known, a watch from now on is.
  version = type === 'ERROR' ? '' : (object.metadata?.resourceVersion ?? version);
  if (type === 'MODIFIED') seen.watchEvents++;
};

const watchLoop = async (): Promise<never> => {
  for (;;) {
    await watch();
    if (since.watch === 0) {
      since.watch = performance.now();
      seen.watchesEnded++;
    }
    await sleep(10);
  }
};

let announced = 0;
/** Called at each success; both kinds must have had one. */
const announce = (): void => {
  if (announced > 0 || since.answer === 0 || since.watch !== 0 || version === '') return;
  announced = 1;
  process.stdout.write('ready\n');
};

/** A watch that is just being opened again gets a moment to tell what it missed. */
const settled = async (): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while ((since.watch > 0 || seen.watchEvents === 0) && performance.now() < deadline) await sleep(5);
};

const report = (): void => {
  noteSilence();
  if (since.watch > 0) seen.watchMs = Math.max(seen.watchMs, performance.now() - since.watch);
  process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
};
process.once('SIGINT', () => void settled().then(report));
void readLoop();
void watchLoop();

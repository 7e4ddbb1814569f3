/**
 * `watch-main KUBECONFIG`: keeps one watch of the nodes open through the kubeconfig's server, as a controller's reflector does:
 * the next one begins as soon as one ends, at the resourceVersion that was seen last. Prints `served MS` and `ended MS` by the
 * wall clock, and for the logs what else happened.
 */
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { readKubeconfig } from '../../../apps/lab/src/probes/kubeconfig.js';

const { server, tls } = readKubeconfig(process.argv[2]!);
/** A connection that nobody answers is given up, and the next one tried. */
const CONNECT_MS = 250;
/** Once it is there, a server that is slow gets its time: to begin anew would only give it more to do. */
const ANSWER_MS = 2_000;
const AGAIN_MS = 5;
const say = (word: string): void =>
  void process.stdout.write(`${word} ${(performance.timeOrigin + performance.now()).toFixed(1)}\n`);

/** What was seen last; empty: from the most recent state, which needs etcd's quorum. */
let seen = '';

/** Remembers how far the stream has come. `ERROR` (410 Gone) means that what was missed is compacted. */
const read = (line: string): void => {
  if (line === '') return;
  const { type, object } = JSON.parse(line) as { type: string; object: { metadata?: { resourceVersion?: string } } };
  seen = type === 'ERROR' ? '' : (object.metadata?.resourceVersion ?? seen);
};

const follow = (response: IncomingMessage): void => {
  let rest = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) read(line);
  });
};

const watch = (): Promise<void> =>
  new Promise((resolve) => {
    const url = `${server}/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=${seen}`;
    const call = get(url, { ...tls, agent: false }, (response) => {
      clearTimeout(slow);
      if (response.statusCode !== 200) return void call.destroy(new Error(`watch: ${response.statusCode ?? 0}`));
      say('served');
      follow(response);
      response.once('error', () => response.destroy());
      response.once('close', () => {
        say('ended');
        resolve();
      });
    });
    const slowly = (ms: number) => setTimeout(() => call.destroy(new Error('timeout')), ms);
    let slow = slowly(CONNECT_MS);
    call.once('socket', (socket) =>
      socket.once('connect', () => {
        clearTimeout(slow);
        slow = slowly(ANSWER_MS);
        say('connected');
      }),
    );
    call.once('error', (error) => {
      clearTimeout(slow);
      say(`failed:${error.message.replaceAll(/\s+/g, '_')}`);
      resolve();
    });
  });

for (;;) {
  await watch();
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}

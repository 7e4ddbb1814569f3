import type { ChildProcess } from 'node:child_process';
import { childrenOf, signal } from '../../../apps/lab/src/processes.js';
import type { Lab } from '../../../apps/lab/src/lab.js';

/** GET /readyz as the kubeconfig's user, a new TLS connection each time; prints one line an answer. */
const SCRIPT = `
const { readFileSync } = require('node:fs');
const https = require('node:https');
const text = readFileSync(process.env.KUBECONFIG, 'utf8');
const of = (name) => Buffer.from(new RegExp(name + ': *(\\\\S+)').exec(text)[1], 'base64');
const tls = { ca: of('certificate-authority-data'), cert: of('client-certificate-data'), key: of('client-key-data') };
const url = new URL('/readyz', /server: *(\\S+)/.exec(text)[1]);
const say = (word) => process.stdout.write(Date.now() + ' ' + word + '\\n');
let running = true;
const once = () => new Promise((done) => {
  const ended = (word) => { say(word); done(); };
  const call = https.get(url, { ...tls, agent: false, timeout: 2000 }, (answer) => {
    answer.resume();
    answer.on('end', () => ended(answer.statusCode === 200 ? 'ok' : 'status-' + answer.statusCode));
  });
  call.on('timeout', () => call.destroy(new Error('timeout')));
  call.on('error', (error) => ended('failed-' + (error.code || error.message)));
});
process.on('SIGINT', () => (running = false));
(async () => { while (running) { await once(); await new Promise((done) => setTimeout(done, 20)); } })();
`;

export interface HttpsResult {
  readonly answered: number;
  readonly failed: readonly string[];
  readonly longestGapMs: number;
}

/** HTTPS through the VIP from the workstation, until stopped. */
export class HttpsLoop {
  private text = '';
  private readonly startedAt = Date.now();
  private readonly ended: Promise<void>;

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.text += `0 ${chunk.toString().replaceAll('\n', ' ')}\n`));
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
  }

  static start(lab: Lab, host: string): HttpsLoop {
    return new HttpsLoop(lab.spawn(host, [process.execPath, '-e', SCRIPT]));
  }

  async stop(): Promise<HttpsResult> {
    const endedAt = Date.now();
    signal(childrenOf(this.child.pid!)[0] ?? this.child.pid!, 'SIGINT');
    await this.ended;
    const lines = this.text.trim().split('\n');
    const times = lines.filter((line) => line.endsWith(' ok')).map((line) => Number(line.split(' ')[0]));
    // A process of Node needs its time to start.
    const marks = [times[0] ?? this.startedAt, ...times, Math.max(endedAt, times.at(-1) ?? 0)];
    return {
      answered: times.length,
      failed: lines.filter((line) => !line.endsWith(' ok')),
      longestGapMs: Math.max(...marks.slice(1).map((time, i) => time - marks[i]!)),
    };
  }
}

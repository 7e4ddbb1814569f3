import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, systemClock, systemRandom, systemTimers } from '#kernel';
import { MemoryEventStore } from '#event-store';
import { ACCOUNT, newEvent, openRig } from './testing/rig.js';
import { signedHeaders, signingSecret } from './webhooks/signature.js';

const runbook = readFileSync(join(import.meta.dirname, '../../../docs/runbooks/event-stream.md'), 'utf8');
const program = (name: string): string => runbook.split(`\`\`\`js ${name}\n`)[1]!.split('```')[0]!;

/** The programs of the runbook, as they stand there. */
describe('docs/runbooks/event-stream.md', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drover-runbook-'));
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  const run = (name: string, env: Record<string, string>) => {
    const file = join(dir, `${name}.mjs`);
    writeFileSync(file, program(name));
    const child = spawn(process.execPath, [file], { env: { PATH: process.env.PATH, ...env }, cwd: dir });
    children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
      for (;;) {
        const found = pattern.exec(output);
        if (found !== null) return found;
        if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
        await sleep(systemTimers, 20);
      }
    };
    return { child, said, output: () => output };
  };

  it('receives what is signed, once, and nothing else', async () => {
    const secret = signingSecret(systemRandom.bytes(32));
    const receiver = run('receiver', { WEBHOOK_SECRET: secret, PORT: '0' });
    const [, port] = await receiver.said(/listening (\d+)/);
    const body = JSON.stringify({ kind: 'system.node.created' });
    const nowMs = systemClock.wallMs();
    const post = async (headers: Record<string, string>, text = body) =>
      (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: text })).status;
    const genuine = signedHeaders(secret, 'event-1', nowMs, body);
    expect(await post(genuine)).toBe(204);
    expect(await post(genuine)).toBe(204);
    expect(await post(genuine, body.replace('node', 'nose'))).toBe(401);
    expect(await post({ ...genuine, 'webhook-id': 'event-2' })).toBe(401);
    expect(await post(signedHeaders(secret, 'event-3', nowMs - 3_600_000, body))).toBe(401);
    expect(await post(signedHeaders(signingSecret(systemRandom.bytes(32)), 'event-4', nowMs, body))).toBe(401);
    expect(await post({})).toBe(401);
    expect(receiver.output().match(/event system.node.created/g)).toHaveLength(1);
  });

  it('follows events, and goes on where it was after a kill -9', async () => {
    const store = new MemoryEventStore(systemClock);
    const rig = await openRig(store);
    const append = (n: number) =>
      store.append({ stream: `node-${n}`, expected: 'any', events: [newEvent({ stream: `node-${n}`, n })] });
    const env = { DROVER_URL: `http://127.0.0.1:${rig.httpPort}`, DROVER_TOKEN: ACCOUNT };
    await append(1);
    const first = run('consumer', env);
    await first.said(/node-1\n/);
    await append(2);
    await first.said(/node-2\n/);
    const cursor = () => readFileSync(join(dir, 'cursor'), 'utf8');
    const before = cursor();
    await append(3);
    await first.said(/node-3\n/);
    while (cursor() === before) await sleep(systemTimers, 10);
    first.child.kill('SIGKILL');
    await append(4);
    const second = run('consumer', env);
    await second.said(/node-4\n/);
    expect(second.output()).not.toMatch(/node-[123]\n/);
    await rig.close();
  });
});

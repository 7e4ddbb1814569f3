import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTestPlatform, type TestPlatform } from '../../platform/src/testing/test-platform.js';
import { runEventWatch, type WatchCommand } from './event-watch.js';

/** The way to the platform, which can be cut. */
class Cable {
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async to(url: string): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server);
    server.on('connection', (near) => {
      const far = connect(Number(new URL(url).port), '127.0.0.1');
      for (const socket of [near, far]) {
        cable.sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => void (near.destroy(), far.destroy(), cable.sockets.delete(socket)));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let drover: TestPlatform;
let cable: Cable;
let dir: string;
beforeAll(async () => {
  drover = await startTestPlatform();
  cable = await Cable.to(drover.url);
  dir = await mkdtemp(join(tmpdir(), 'drover-watch-'));
});
afterAll(async () => {
  await cable.close();
  await drover.stop();
  await rm(dir, { recursive: true, force: true });
});

interface Watching {
  readonly lines: string[];
  readonly told: string[];
  readonly code: Promise<number>;
  until(holds: () => boolean): Promise<void>;
  end(): void;
}

const watch = (
  line: string,
  { terminal = false, ...over }: Partial<WatchCommand> & { url?: string } = {},
): Watching => {
  const lines: string[] = [];
  const told: string[] = [];
  const ending = new AbortController();
  const code = runEventWatch({
    flags: { json: false, url: over.url ?? cable.url, token: drover.token },
    help: false,
    words: line.split(' ').filter((word) => word !== ''),
    env: {},
    out: (text) => void lines.push(text),
    progress: (text) => void told.push(text),
    terminal,
    end: ending.signal,
    ...over,
  });
  open.add(() => ending.abort());
  const until = async (holds: () => boolean) => {
    for (let tries = 0; !holds(); tries++) {
      if (tries > 3_000) throw new Error(`not in time: ${JSON.stringify([lines, told])}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { lines, told, code, until, end: () => ending.abort() };
};

const open = new Set<() => void>();
afterEach(() => {
  for (const end of open) end();
  open.clear();
});

let made = 0;
const template = async (): Promise<string> => {
  const { body } = await drover.rest('system_create_template', { name: `watched-${++made}` });
  return (body.data as unknown as { template: { id: string } }).template.id;
};
const streams = (lines: readonly string[]) => lines.map((line) => (JSON.parse(line) as { stream: string }).stream);

it('shows on a pipe one event a line with its cursor, and misses and repeats nothing when the connection is cut', async () => {
  const before = await template();
  const ids: string[] = [];
  const watching = watch('system.template --from beginning');
  await watching.until(() => watching.lines.length === 1);
  for (let n = 0; n < 3; n++) {
    ids.push(await template());
    cable.cut();
    ids.push(await template());
    await watching.until(() => watching.lines.length === 1 + ids.length);
  }
  expect(streams(watching.lines)).toEqual([before, ...ids]);
  expect(watching.told.join('\n')).toMatch(/the connection ended.*\nconnected again/);
  watching.end();
  expect(await watching.code).toBe(130);

  // A later one goes on behind any line of it.
  const { cursor } = JSON.parse(watching.lines[4]!) as { cursor: string };
  const resumed = watch(`--kind-prefix system.template --after ${cursor} --count 2`);
  expect(await resumed.code).toBe(0);
  expect(streams(resumed.lines)).toEqual(ids.slice(4));
});

it('begins with what happens from now on, filters, and is a line for people on a terminal', async () => {
  const watching = watch('kind_prefix=system.template severity=info', { terminal: true });
  const nothing = watch('--severity critical', { terminal: true });
  // Until it is there, what is made is not for it.
  for (let tries = 0; watching.lines.length === 0 && tries < 200; tries++) await template();
  expect(watching.lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {5}system\.template\.created .*template_id=template-/);
  watching.end();
  nothing.end();
  expect([await watching.code, await nothing.code, nothing.lines]).toEqual([130, 130, []]);
  expect(watching.told.at(-1)).toMatch(/^go on with drover event watch --after \S+$/);
});

it('keeps its cursor in a file and goes on from there', async () => {
  const file = join(dir, 'cursor');
  const first = await template();
  const one = watch(`--stream ${first} --from beginning --count 1 --cursor-file ${file}`);
  expect(await one.code).toBe(0);
  expect((await readFile(file, 'utf8')).trim()).toBe((JSON.parse(one.lines[0]!) as { cursor: string }).cursor);
  const second = await template();
  const two = watch(`--stream template- --count 1 --cursor-file ${file}`);
  expect(await two.code).toBe(0);
  expect(streams(two.lines)).toEqual([second]);
  await writeFile(file, 'two words\n');
  await expect(watch(`--cursor-file ${file}`).code).rejects.toMatchObject({ exitCode: 2 });
});

it.each([
  ['--kind-prefix system.tempalte', {}, { exitCode: 2, hint: expect.stringContaining('system.template') }],
  ['--stream tempalte-', {}, { exitCode: 2, hint: 'did you mean template-?' }],
  ['--severity hihg', {}, { exitCode: 2 }],
  ['--after nonsense', {}, { exitCode: 2 }],
  ['--what', {}, { exitCode: 2 }],
  ['--count 0', {}, { exitCode: 2 }],
  ['-o json', {}, { exitCode: 2, why: expect.stringContaining('ndjson') }],
  ['--severity', {}, { exitCode: 2 }],
  ['', { flags: { json: false, url: 'http://127.0.0.1:1', token: 'x' } }, { exitCode: 3 }],
])('%s is refused', async (line, over, error) => {
  await expect(watch(line, over).code).rejects.toMatchObject(error);
});

it('a token that is not valid ends it', async () => {
  await expect(watch('', { flags: { json: false, url: drover.url, token: 'x' } }).code).rejects.toMatchObject({
    exitCode: 4,
  });
});

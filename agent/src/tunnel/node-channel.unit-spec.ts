import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemSnapshotFiles } from '../adapters/snapshot-files.js';
import { nodeChannel, type NodeRequest, type NodeService } from './node-channel.js';

describe('the channel between the platform and the agent', () => {
  let dir: string;
  const acted: NodeRequest[] = [];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drover-channel-'));
    acted.length = 0;
  });
  afterEach(() => rm(dir, { recursive: true }));

  const service: NodeService = {
    read: (file) => systemSnapshotFiles.read(join(dir, file)),
    write: (file, expected, bytes) => systemSnapshotFiles.write(join(dir, file), expected, bytes),
    act: async (request) => {
      if (request.id === 'broken') throw new Error('k3s --cluster-reset ended with 1');
      acted.push(request);
    },
  };
  /** All that is answered to these bytes, sent in pieces of any size. */
  const ask = (...pieces: (string | Buffer)[]): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      const end = nodeChannel(service)(
        1,
        {
          onData: (data) => (text += Buffer.from(data).toString()),
          onDrain: () => undefined,
          onClose: () => resolve(text),
        },
        () => pieces.forEach((piece) => end.write(Buffer.from(piece as string))),
      );
    });
  const sum = (text: string) => createHash('sha256').update(text).digest('hex');

  it('hands out a snapshot after its size', async () => {
    await writeFile(join(dir, 'snap-1'), 'etcd');
    expect(await ask('{"op":"read",', '"file":"snap-1"}\n')).toBe('{"ok":true,"size":4}\netcd');
  });

  it('takes one whose sum is right, and keeps nothing of another', async () => {
    const write = (sha256: string) => `${JSON.stringify({ op: 'write', file: 'snap-2', size: 4, sha256 })}\n`;
    expect(await ask(`${write(sum('etcd'))}et`, 'cd')).toBe('{"ok":true}\n');
    expect(await readFile(join(dir, 'snap-2'), 'utf8')).toBe('etcd');
    expect(await ask(write(sum('other')), 'etcd')).toMatch(/"ok":false.*not the file that was announced/);
    expect(await readdir(dir)).toEqual(['snap-2']);
  });

  it('leads nowhere but into the snapshots’ folder, and does nothing that it was not made for', async () => {
    for (const file of ['../../token', '/etc/passwd', '.hidden', ''])
      expect(await ask(`${JSON.stringify({ op: 'read', file })}\n`)).toMatch(/"ok":false/);
    expect(await ask('{"op":"run","command":"id"}\n')).toMatch(/"ok":false/);
    expect(await ask('x'.repeat(5_000))).toMatch(/"ok":false/);
  });

  it('carries out what is asked, and answers with what went wrong', async () => {
    expect(await ask('{"op":"halt","id":"r1"}\n')).toBe('{"ok":true}\n');
    expect(acted).toEqual([{ op: 'halt', id: 'r1' }]);
    expect(await ask('{"op":"halt","id":"broken"}\n')).toMatch(/cluster-reset ended with 1/);
  });
});

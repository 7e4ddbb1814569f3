import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFiles } from '../adapters/files.js';
import type { Processes } from '../ports.js';
import { SystemdManager } from './systemd-manager.js';

const OURS = '# written by drover-agent\n[Service]\n';
const THEIRS = '[Service]\nEnvironment=HTTPS_PROXY=http://proxy:3128\n';

describe('removing a service', () => {
  let folder: string;
  let ran: string[];
  let manager: SystemdManager;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-agent-units-'));
    ran = [];
    const run = async (_: string, args: readonly string[]) => (
      ran.push(args.join(' ')),
      { code: 0, stdout: '', stderr: '' }
    );
    manager = new SystemdManager({ files: systemFiles, processes: { run } as unknown as Processes }, folder);
    await mkdir(join(folder, 'k3s.service.d'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const put = (name: string, text: string) => writeFile(join(folder, name), text);

  it('takes away the unit and the drop-in that the agent wrote, and the folder with them', async () => {
    await put('k3s.service', OURS);
    await put('k3s.service.d/override.conf', OURS);
    expect(await manager.remove('k3s')).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    expect(ran).toEqual(['disable --now k3s.service', 'daemon-reload', 'reset-failed k3s.service']);
  });

  it('leaves an operator’s drop-in where it is, and names it', async () => {
    await put('k3s.service', OURS);
    await put('k3s.service.d/override.conf', OURS);
    await put('k3s.service.d/proxy.conf', THEIRS);
    expect(await manager.remove('k3s')).toEqual([join(folder, 'k3s.service.d/proxy.conf')]);
    expect(await readdir(folder, { recursive: true })).toEqual(['k3s.service.d', 'k3s.service.d/proxy.conf']);
  });

  it('does not touch what belongs to a unit that somebody else wrote, nor stop it', async () => {
    await put('k3s.service', THEIRS);
    await put('k3s.service.d/proxy.conf', THEIRS);
    expect(await manager.remove('k3s')).toEqual([join(folder, 'k3s.service')]);
    expect((await readdir(folder, { recursive: true })).length).toBe(3);
    expect(ran).toEqual([]);
  });

  it('finds the drop-in also where the unit is gone already: an agent may have died in between', async () => {
    await put('k3s.service.d/override.conf', OURS);
    expect(await manager.remove('k3s')).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });
});

import { chmod, copyFile, mkdir, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import { systemHttp } from '../adapters/http.js';
import { realPorts, temporaryFolder } from '../testing/harness.js';
import { installK3s } from './install.js';
import { k3sPaths } from './paths.js';
import type { K3sSpec } from './render.js';

const program = (version: string) =>
  `#!/bin/sh\ncase "$1" in --version) echo "k3s version ${version} (fake)"; exit 0;; esac\n`;

let dir: string;
let paths: ReturnType<typeof k3sPaths>;
let downloads: number;
beforeEach(async () => {
  dir = await temporaryFolder();
  paths = k3sPaths(join(dir, 'root'));
  downloads = 0;
  await mkdir(join(dir, 'state'));
});
afterEach(() => rm(dir, { recursive: true }));

const source = async (version: string, text = program(version)) => {
  const path = join(dir, `k3s-${version}`);
  await writeFile(path, text);
  await chmod(path, 0o755);
  return { path, sha256: sha256Hex(text), version };
};
const ports = {
  ...realPorts(),
  http: {
    ...systemHttp,
    download: async (url: string, to: string) => {
      downloads += 1;
      await copyFile(new URL(url).pathname, to);
      return '';
    },
  },
};
const install = (binary: K3sSpec['binary']) =>
  installK3s(ports, { binary } as K3sSpec, paths, undefined, join(dir, 'state'));
const kept = () => readdir(paths.versions);

it('keeps a program under its digest, and the one before it for a rollback that needs no source', async () => {
  const [a, b, c] = [await source('v1.30.5+k3s1'), await source('v1.31.2+k3s1'), await source('v1.32.0+k3s1')];
  const first = await install(a);
  expect(first).toBe(join(paths.versions, a.sha256, 'k3s'));
  const second = await install(b);
  expect(await readlink(paths.binary)).toBe(second);
  await rm(a.path);
  expect(await install(a)).toBe(first);
  expect(await readlink(paths.binary)).toBe(first);
  expect((await kept()).sort()).toEqual([a.sha256, b.sha256].sort());
  await install(b);
  await install(c);
  expect((await kept()).sort()).toEqual([b.sha256, c.sha256].sort());
});

it('downloads once, and takes nothing whose digest or version is another', async () => {
  const a = await source('v1.30.5+k3s1');
  const remote = { url: `https://releases.test${a.path}`, sha256: a.sha256.toUpperCase(), version: a.version };
  await install(remote);
  await install(remote);
  expect(downloads).toBe(1);
  await expect(install({ ...remote, sha256: 'f'.repeat(64) })).rejects.toThrow(/has sha256 [0-9a-f]{64}, not f{64}/);
  expect(await kept()).toEqual([a.sha256]);
  await expect(install({ ...a, version: 'v1.31.2+k3s1' })).rejects.toThrow(
    'reports version v1.30.5+k3s1, not v1.31.2+k3s1',
  );
  await expect(install({ path: a.path, version: 'v1.31.2+k3s1' })).rejects.toThrow('not v1.31.2+k3s1');
  expect(await install({ path: a.path, version: a.version })).toBe(a.path);
});

it('repairs a program that was changed on the disk', async () => {
  const a = await source('v1.30.5+k3s1');
  const place = await install(a);
  await writeFile(place, program('v1.30.5+k3s1') + '# tampered\n');
  expect(await install(a)).toBe(place);
  expect(await ports.files.digest(place)).toBe(a.sha256);
});

import { join } from 'node:path';
import { z } from 'zod';
import type { AgentPorts } from '../ports.js';
import type { K3sPaths } from './paths.js';
import type { K3sSpec } from './render.js';

/** Answers the binary to run: the module's path, its download, the agent's own option, or what is on the node. */
export const installK3s = async (
  ports: AgentPorts,
  spec: K3sSpec,
  paths: K3sPaths,
  fallback: string | undefined,
  stateDir: string,
): Promise<string> => {
  const { path, url, sha256, version } = spec.binary;
  if (version !== undefined && sha256 !== undefined)
    return installDigest(ports, { path, url, sha256: sha256.toLowerCase(), version }, paths, stateDir);
  if (version !== undefined) return rightVersion(ports, path ?? paths.binary, version);
  if (path !== undefined) return present(ports, path, 'the module names');
  if (url !== undefined) return download(ports, url, sha256, paths, stateDir);
  if (fallback !== undefined) return present(ports, fallback, '--k3s-bin names');
  return present(ports, paths.binary, 'the module names no other, and');
};

const present = async (ports: AgentPorts, path: string, who: string): Promise<string> => {
  const found = await ports.processes.run(path, ['--version']);
  if (found.code === 0) return path;
  throw new Error(`${who} k3s binary ${path} does not run: ${found.stderr.trim() || `exit code ${found.code}`}`);
};

const download = async (
  ports: AgentPorts,
  url: string,
  sha256: string | undefined,
  paths: K3sPaths,
  stateDir: string,
): Promise<string> => {
  if (!url.startsWith('https://') || sha256 === undefined)
    throw new Error('a k3s download needs an https URL and its sha256');
  const marker = join(stateDir, 'k3s-binary');
  const have = (await ports.files.read(marker))?.toString('utf8');
  if (have === sha256 && (await ports.processes.run(paths.binary, ['--version'])).code === 0) return paths.binary;
  const temporary = join(stateDir, 'k3s.download');
  try {
    const digest = await ports.http.download(url, temporary);
    if (digest !== sha256.toLowerCase()) throw new Error(`the download has sha256 ${digest}, not ${sha256}`);
    await ports.files.installExecutable(temporary, paths.binary);
    await ports.files.write(marker, sha256);
  } finally {
    await ports.files.remove(temporary);
  }
  return paths.binary;
};

interface Wanted {
  readonly path: string | undefined;
  readonly url: string | undefined;
  readonly sha256: string;
  readonly version: string;
}

const rightVersion = async (ports: AgentPorts, path: string, version: string): Promise<string> => {
  await present(ports, path, 'the module version names');
  const reported = await k3sVersion(ports, path);
  if (reported !== version) throw new Error(`${path} reports version ${reported || '(none)'}, not ${version}`);
  return path;
};

const keptFile = z.object({ current: z.string(), previous: z.string().nullable() });

/**
 * A program under its digest. It becomes visible whole or not at all, is verified before each life of the agent, and the one
 * before it stays, so that a rollback needs neither network nor luck. `k3s` on the PATH follows.
 */
const installDigest = async (ports: AgentPorts, wanted: Wanted, paths: K3sPaths, stateDir: string): Promise<string> => {
  const { files } = ports;
  const place = join(paths.versions, wanted.sha256, 'k3s');
  if ((await files.digest(place)) !== wanted.sha256) await fetchDigest(ports, wanted, place, stateDir);
  await rightVersion(ports, place, wanted.version);
  await files.link(place, paths.binary);
  const note = join(stateDir, 'k3s-versions.json');
  const text = (await files.read(note))?.toString('utf8');
  const kept = text === undefined ? undefined : keptFile.parse(JSON.parse(text));
  if (kept?.current === wanted.sha256) return place;
  await files.write(note, JSON.stringify({ current: wanted.sha256, previous: kept?.current ?? null }));
  const gone = kept?.previous;
  if (gone !== undefined && gone !== null && gone !== wanted.sha256) await files.removeTree(join(paths.versions, gone));
  return place;
};

const fetchDigest = async (ports: AgentPorts, wanted: Wanted, place: string, stateDir: string): Promise<void> => {
  const { path, url, sha256 } = wanted;
  const temporary = join(stateDir, `k3s.${sha256.slice(0, 16)}.download`);
  try {
    if (url === undefined) await ports.files.installExecutable(path ?? '', temporary);
    else if (url.startsWith('https://')) await ports.http.download(url, temporary);
    else throw new Error('a k3s download needs an https URL');
    // Of the copy that will be installed: what lies at the source may change meanwhile.
    const digest = await ports.files.digest(temporary);
    if (digest !== sha256) throw new Error(`${url ?? path} has sha256 ${digest ?? '(none)'}, not ${sha256}`);
    await ports.files.installExecutable(temporary, place);
  } finally {
    await ports.files.remove(temporary);
  }
};

/** `v1.30.5+k3s1` out of `k3s --version`; empty when it says something else. */
export const k3sVersion = async (ports: AgentPorts, binary: string): Promise<string> => {
  const shown = await ports.processes.run(binary, ['--version']);
  return /k3s version (\S+)/.exec(shown.stdout)?.[1] ?? '';
};

import { join } from 'node:path';
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
  const { path, url, sha256 } = spec.binary;
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

/** `v1.30.5+k3s1` out of `k3s --version`; empty when it says something else. */
export const k3sVersion = async (ports: AgentPorts, binary: string): Promise<string> => {
  const shown = await ports.processes.run(binary, ['--version']);
  return /k3s version (\S+)/.exec(shown.stdout)?.[1] ?? '';
};

import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readIfThere, savePair, serverPaths } from './files.js';
import { info } from './log.js';
import type { KeyPair } from './pki.js';
import { parseFlags, UsageError, type FlagSpecs } from './cli/flags.js';

const DAY = 86_400_000;
/** As the real one: a start makes certificates anew that end within so many days. */
const RENEW_DAYS = 90;

/** The pair that an earlier start made, unless it ends soon or lacks a name; else a new one. */
export const kept = async (
  dataDir: string,
  name: string,
  names: readonly string[],
  make: () => Promise<KeyPair>,
): Promise<KeyPair> => {
  const { tls } = serverPaths(dataDir);
  const [cert, key] = [readIfThere(tls(`${name}.crt`)), readIfThere(tls(`${name}.key`))];
  if (cert !== undefined && key !== undefined) {
    const known = new X509Certificate(cert);
    const covers = names.every((n) => known.checkHost(n) !== undefined || known.checkIP(n) !== undefined);
    if (covers && Date.parse(known.validTo) - Date.now() > RENEW_DAYS * DAY) return { cert, key };
  }
  const pair = await make();
  savePair(dataDir, name, pair);
  return pair;
};

const flags: FlagSpecs = { 'data-dir': { kind: 'string', aliases: ['d'], env: ['K3S_DATA_DIR'] } };
const SERVER = ['serving-kube-apiserver', 'client-admin'];
const AGENT = ['client-kubelet'];

/** `certificate rotate`: puts the certificates aside, so that the next start makes new ones. K3s must not run meanwhile. */
export const runCertificate = (argv: readonly string[], env: NodeJS.ProcessEnv): void => {
  const [command, ...rest] = argv;
  if (command !== 'rotate') throw new UsageError(`No help topic for '${command ?? ''}'`);
  const values = parseFlags(flags, rest, env, undefined);
  const dataDir = typeof values['data-dir'] === 'string' ? values['data-dir'] : '/var/lib/rancher/k3s';
  const server = SERVER.map((name) => serverPaths(dataDir).tls(name));
  const agent = AGENT.map((name) => join(dataDir, 'agent', name));
  for (const path of [...server, ...agent].flatMap((base) => [`${base}.crt`, `${base}.key`])) {
    if (!existsSync(path)) continue;
    const aside = `${dirname(path)}-${Date.now()}`;
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    renameSync(path, join(aside, basename(path)));
  }
  info(`Successfully backed up certificates in ${dataDir}, please restart k3s server or agent to rotate certificates`);
};

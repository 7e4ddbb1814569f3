import { join } from 'node:path';
import { authorizationOf, parseToken } from '../token.js';
import { Client, HttpStatusError } from '../client.js';
import { readIfThere, serverPaths } from '../files.js';
import { parseFlags, splitArgs, UsageError, type FlagSpecs, type FlagValues } from './flags.js';

const flags: FlagSpecs = {
  config: { kind: 'string', aliases: ['c'] },
  debug: { kind: 'bool' },
  'data-dir': { kind: 'string', aliases: ['d'], env: ['K3S_DATA_DIR'] },
  'node-name': { kind: 'string', env: ['K3S_NODE_NAME'] },
  'etcd-server': { kind: 'string', aliases: ['s'], env: ['K3S_ETCD_SERVER'] },
  'etcd-token': { kind: 'string', aliases: ['t'], env: ['K3S_TOKEN'] },
  name: { kind: 'string' },
  dir: { kind: 'string', aliases: ['etcd-snapshot-dir'] },
  'snapshot-compress': { kind: 'bool' },
  'snapshot-retention': { kind: 'string' },
  output: { kind: 'string', aliases: ['o'] },
};

interface Listed {
  readonly items: {
    spec: { snapshotName: string; location: string };
    status: { size: string; creationTime: string };
  }[];
}

const text = (values: FlagValues, name: string): string | undefined => {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** `k3s etcd-snapshot`: asks the running server, as the real one does since v1.30. */
export const runSnapshot = async (argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> => {
  const named = argv[0] !== undefined && !argv[0].startsWith('-');
  const command = named ? argv[0]! : 'save';
  const rest = named ? argv.slice(1) : argv;
  const { flags: given, names } = splitArgs(flags, rest);
  const values = parseFlags(flags, given, env, undefined);
  const dataDir = text(values, 'data-dir') ?? '/var/lib/rancher/k3s';
  const token = text(values, 'etcd-token') ?? readIfThere(serverPaths(dataDir).token)?.trim();
  if (token === undefined) throw new UsageError(`open ${serverPaths(dataDir).token}: no such file or directory`);
  const ca = readIfThere(join(dataDir, 'server/tls/server-ca.crt'));
  const client = new Client(
    [text(values, 'etcd-server') ?? 'https://127.0.0.1:6443'],
    ca === undefined ? { insecure: true } : { ca },
    { authorization: authorizationOf(parseToken(token), 'server') },
  );
  const ask = async <T>(operation: string, more: object = {}): Promise<T> => {
    const dir = text(values, 'dir');
    const answer = await client.call('POST', '/db/snapshot', {
      operation,
      ...(dir === undefined ? {} : { dir }),
      ...more,
    });
    if (answer.status !== 200) throw new HttpStatusError(answer.status, answer.body.trim());
    return JSON.parse(answer.body) as T;
  };
  const name = text(values, 'name');
  switch (command) {
    case 'save': {
      const { created } = await ask<{ created: string[] }>('save', { name: name === undefined ? undefined : [name] });
      for (const one of created) process.stderr.write(`Snapshot ${one} saved.\n`);
      return;
    }
    case 'delete':
      await ask('delete', { name: names });
      for (const one of names) process.stderr.write(`Snapshot ${one} deleted.\n`);
      return;
    case 'prune': {
      const retention = Number(text(values, 'snapshot-retention') ?? '5');
      const { deleted } = await ask<{ deleted: string[] }>('prune', {
        retention,
        ...(name === undefined ? {} : { name: [name] }),
      });
      for (const one of deleted) process.stderr.write(`Snapshot ${one} deleted.\n`);
      return;
    }
    case 'ls':
    case 'list':
    case 'l':
      return print(await ask<Listed>('list'), text(values, 'output'));
    default:
      throw new UsageError(`No help topic for '${command}'`);
  }
};

const print = (list: Listed, format: string | undefined): void => {
  if (format === 'json') return void process.stdout.write(`${JSON.stringify(list)}\n`);
  process.stdout.write('Name Location Size Created\n');
  for (const { spec, status } of list.items)
    process.stdout.write(`${spec.snapshotName} ${spec.location} ${status.size} ${status.creationTime}\n`);
};

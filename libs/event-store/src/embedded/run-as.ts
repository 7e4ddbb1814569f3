import { execFile } from 'node:child_process';
import { chown, lchown, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './errors.js';

const run = promisify(execFile);

/** The command words put before a Postgres binary so that it does not run as root, which it refuses. */
export interface RunAs {
  readonly prefix: readonly string[];
  /** For the log: how Postgres runs. */
  readonly how: string;
}

const NOBODY = 65534;
/** Any ordinary id does inside the user namespace: on disk everything stays owned by root. */
const NAMESPACE_ID = 1000;

const userNamespace: RunAs = {
  prefix: ['unshare', '--user', `--map-user=${NAMESPACE_ID}`, `--map-group=${NAMESPACE_ID}`, '--'],
  how: 'in a user namespace of root',
};

const asUser = (uid: number, gid: number): RunAs => ({
  prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'],
  how: `as uid ${uid}`,
});

/**
 * Picks how to run Postgres on `dir`. An ordinary user runs it directly. Root runs it in a user namespace, which also
 * works inside 0700 folders of root; where the kernel forbids that, or a folder on the way belongs to someone else,
 * it drops to the owner of that folder or to nobody, and hands `dir` over. The owner of an existing data directory
 * wins, because Postgres refuses files that are not its own.
 */
export const chooseRunAs = async (dir: string, needed: readonly string[], uid = process.getuid?.()): Promise<RunAs> => {
  if (uid !== 0) return { prefix: [], how: 'directly' };
  const owner = await stat(dir);
  const refused: string[] = [];
  if (owner.uid === 0) {
    const problem = await probe(userNamespace, dir, needed);
    if (problem === undefined) return userNamespace;
    refused.push(`${userNamespace.how}: ${problem}`);
  }
  for (const [id, gid] of await otherOwners(dir)) {
    const candidate = asUser(id, gid);
    await handOver(dir, id, gid);
    const problem = await probe(candidate, dir, needed);
    if (problem === undefined) return candidate;
    refused.push(`${candidate.how}: ${problem}`);
  }
  if (owner.uid !== (await stat(dir)).uid) await handOver(dir, owner.uid, owner.gid);
  throw new EmbeddedPostgresError(
    `Postgres does not run as root, and no other way works for ${dir} (${refused.join('; ')}); ` +
      'start Drover as an ordinary user, choose another DROVER_DATA_DIR, or set DATABASE_URL',
  );
};

/** Undefined when the binaries can be executed and the folder written that way; otherwise why not. */
const probe = async (runAs: RunAs, dir: string, needed: readonly string[]): Promise<string | undefined> => {
  const [command, ...args] = [
    ...runAs.prefix,
    'sh',
    '-c',
    'for f; do test -r "$f" -a -x "$f" || exit 7; done; test -w "$0"',
    dir,
  ];
  try {
    await run(command!, [...args, ...needed]);
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { code?: number | string; stderr?: string };
    return code === 7 || code === 1
      ? `no access (${stderr?.trim() || 'permission denied'})`
      : `${stderr?.trim() || code}`;
  }
};

/** The owner of the folder itself or of the nearest ancestor that is not root's, then nobody. */
const otherOwners = async (dir: string): Promise<[number, number][]> => {
  for (let at = dir; ; at = dirname(at)) {
    const { uid, gid } = await stat(at);
    if (uid !== 0)
      return uid === NOBODY
        ? [[uid, gid]]
        : [
            [uid, gid],
            [NOBODY, NOBODY],
          ];
    if (at === dirname(at)) return [[NOBODY, NOBODY]];
  }
};

const handOver = async (dir: string, uid: number, gid: number): Promise<void> => {
  await chown(dir, uid, gid);
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), uid, gid);
  }
};

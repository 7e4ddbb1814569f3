// What a staged tree is made of. Modes and sizes do not depend on the umask or the disk of who builds.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';

/** Copies a file or a folder; symlinks stay what they are. */
export const put = (from, to, wanted = () => true) => {
  fs.mkdirSync(dirname(to), { recursive: true });
  fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true, filter: (path) => wanted(path) });
};

/** Nobody on the target compiles or debugs the sources of libraries. */
const NOT_SHIPPED = /\.(map|d\.ts|d\.mts|d\.cts|tsbuildinfo)$|\/node_modules\/rxjs\/src\//;

/** The packages that the lock file has for production and that are installed here; Node itself comes apart. */
export const stageModules = (root, to) => {
  const { packages } = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const missing = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || entry.dev || /^node_modules\/node-linux-/.test(path)) continue;
    const from = join(root, path);
    if (!fs.existsSync(from)) {
      if (!entry.optional && !entry.devOptional && !entry.peer) missing.push(path);
      continue;
    }
    // What is nested has an entry of its own, so that what is for development only stays behind there too.
    const nested = join(from, 'node_modules');
    put(from, join(to, path), (file) => file !== nested && !NOT_SHIPPED.test(file));
  }
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(', ')}; run npm ci`);
};

/** 0755 for folders and programs, 0644 for the rest; answers the size in KiB. */
export const tidy = (folder) => {
  let bytes = 0;
  fs.chmodSync(folder, 0o755);
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode, size } = fs.lstatSync(path);
    fs.chmodSync(path, entry.isDirectory() || (mode & 0o111) !== 0 ? 0o755 : 0o644);
    if (entry.isFile()) bytes += size;
  }
  return Math.ceil(bytes / 1024);
};

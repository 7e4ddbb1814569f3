import { existsSync, readFileSync } from 'node:fs';
import { open, rename, writeFile, type FileHandle } from 'node:fs/promises';
import type { AuditFlags, Output } from './audit-flags.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import type { Settings } from './settings.js';

interface Page {
  readonly lines: readonly object[];
  readonly next_cursor: string;
  readonly complete: boolean;
}

/** Beside the export: how much of it is good, and where to go on. */
interface Bookmark {
  readonly cursor: string;
  readonly bytes: number;
  readonly all: boolean;
}

const PAGE = 1_000;
const bookmarkOf = (file: string): string => `${file}.cursor`;

/** To standard output, or to a file from which an export that was cut off goes on. */
export const exportAudit = async (settings: Settings, flags: AuditFlags, output: Output): Promise<number> => {
  if (flags.out === undefined) {
    await pages(settings, flags.all, undefined, async ({ lines }) =>
      lines.forEach((line) => output.out(JSON.stringify(line))),
    );
    return 0;
  }
  const begun = flags.resume ? readBookmark(flags.out, flags.all) : undefined;
  if (!flags.resume && existsSync(flags.out)) {
    throw new CliError(
      `${flags.out} is there already`,
      'an export is not written over',
      'another --out, or --resume to go on with it',
      2,
    );
  }
  const file = await open(flags.out, begun === undefined ? 'wx' : 'r+', 0o600);
  try {
    await write(settings, flags, file, begun, output);
  } finally {
    await file.close();
  }
  return 0;
};

const write = async (
  settings: Settings,
  flags: AuditFlags,
  file: FileHandle,
  begun: Bookmark | undefined,
  { progress, out }: Output,
): Promise<void> => {
  let bytes = begun?.bytes ?? 0;
  let lines = 0;
  // What was written after the last bookmark comes again.
  await file.truncate(bytes);
  await pages(settings, flags.all, begun?.cursor, async (page) => {
    const text = Buffer.from(page.lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    await file.write(text, 0, text.length, bytes);
    await file.sync();
    bytes += text.length;
    lines += page.lines.length;
    await writeBookmark(flags.out!, { cursor: page.next_cursor, bytes, all: flags.all });
    if (!page.complete) progress(`${lines} lines written`);
  });
  out(`${lines} lines written to ${flags.out}; drover audit verify --file ${flags.out} checks it`);
};

const pages = async (
  settings: Settings,
  all: boolean,
  begun: string | undefined,
  each: (page: Page) => Promise<void>,
): Promise<void> => {
  let cursor = begun;
  for (;;) {
    const args = { limit: PAGE, scope: all ? 'all' : 'account', ...(cursor === undefined ? {} : { after: cursor }) };
    const page = (await callTool(settings, 'export_audit', args)) as unknown as Page;
    await each(page);
    if (page.complete) return;
    cursor = page.next_cursor;
  }
};

const readBookmark = (file: string, all: boolean): Bookmark => {
  const path = bookmarkOf(file);
  let bookmark: Bookmark;
  try {
    bookmark = JSON.parse(readFileSync(path, 'utf8')) as Bookmark;
  } catch (error) {
    throw new CliError(`${path} cannot be read`, (error as Error).message, 'without it, export to another file', 2);
  }
  if (bookmark.all !== all) {
    throw new CliError(
      `${file} was exported ${bookmark.all ? 'with' : 'without'} --all`,
      'one file holds one scope',
      undefined,
      2,
    );
  }
  return bookmark;
};

const writeBookmark = async (file: string, bookmark: Bookmark): Promise<void> => {
  const path = bookmarkOf(file);
  await writeFile(`${path}.tmp`, JSON.stringify(bookmark), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
};

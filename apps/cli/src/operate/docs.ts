import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from '../errors.js';
import { near } from '../near.js';

/** Name → text. The one-file build carries them; elsewhere they lie beside the program. */
export type Pages = Readonly<Record<string, string>>;

const FOLDERS = ['tutorials', 'runbooks', 'reference'];

const fromFolder = (docs: string): Pages =>
  Object.fromEntries(
    FOLDERS.filter((folder) => existsSync(join(docs, folder))).flatMap((folder) =>
      readdirSync(join(docs, folder))
        .filter((file) => file.endsWith('.md'))
        .map((file) => [`${folder}/${file.slice(0, -3)}`, readFileSync(join(docs, folder, file), 'utf8')]),
    ),
  );

export const readPages = (): Pages => {
  const sea = createRequire(process.execPath)('node:sea') as {
    isSea(): boolean;
    getAsset(n: string, e: string): string;
  };
  if (sea.isSea()) return JSON.parse(sea.getAsset('docs.json', 'utf8')) as Pages;
  return fromFolder(fileURLToPath(new URL('../../../../../docs', import.meta.url)));
};

const titleOf = (text: string): string => /^# (.*)$/m.exec(text)?.[1] ?? '';

const find = (pages: Pages, wanted: string): string => {
  const name = wanted.replace(/\.md$/, '').replace(/^docs\//, '');
  const names = Object.keys(pages);
  const exact = names.filter((one) => one === name || one.split('/')[1] === name);
  const begun = exact.length > 0 ? exact : names.filter((one) => one.split('/')[1]!.startsWith(name));
  if (begun.length === 1) return begun[0]!;
  const why = begun.length === 0 ? '`drover docs` lists them' : `it may be ${begun.join(', ')}`;
  const meant = near(name, [...names, ...names.map((one) => one.split('/')[1]!)]);
  throw new CliError(
    `there is no page ${wanted}`,
    why,
    'drover docs',
    5,
    undefined,
    begun.length === 0 ? meant : undefined,
  );
};

/** `drover docs [NAME]`; answers what to print. */
export const docsText = (pages: Pages, words: readonly string[]): string => {
  if (words.length > 1)
    throw new CliError('drover docs takes one name', words.join(' '), '`drover docs` lists them', 2);
  if (words[0] !== undefined) return pages[find(pages, words[0])]!.trimEnd();
  const names = Object.keys(pages).sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  return names.map((name) => `${name.padEnd(width)}  ${titleOf(pages[name]!)}`).join('\n');
};

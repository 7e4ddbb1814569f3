import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What the documents point to: files, folders, and commands of the CLI. Each is still there. */
const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', ...globSync('{docs,test,libs,packaging}/**/*.md', { cwd: ROOT })];

const FOLDERS = 'apps|libs|agent|docs|test|scripts|packaging|migrations|proto';
/** Links, and paths in code; placeholders and patterns are not paths. */
const pathsOf = (document: string, text: string): string[] => [
  ...[...text.matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)]
    .map(([, to]) => to!)
    .filter((to) => !/^https?:/.test(to))
    .map((to) => join(dirname(document), to)),
  ...[...text.matchAll(new RegExp(`\`((?:${FOLDERS})/[\\w./-]+)\``, 'g'))].map(([, path]) => path!),
];
const missing = (document: string, text: string) =>
  pathsOf(document, text).filter((path) => !existsSync(join(ROOT, path)));

const REFERENCE = read('docs/reference/cli.md');
const known = new Set([...REFERENCE.matchAll(/^\| `drover ([a-z-]+ [a-z-]+)`/gm)].map(([, command]) => command));
const nouns = new Set([...known].map((command) => command!.split(' ')[0]));
/** The program's own words: first in a line of its help, or after `|`. */
const own = new Set(
  [...REFERENCE.matchAll(/^ {2}drover ([a-z-]+(?: \| [a-z-]+)*)/gm)].flatMap(([, words]) => words!.split(' | ')),
);
/** `vpn refresh`, `audit verify`: the program's own verbs, which its help names beside others. */
const OWN_VERBS = new Set([
  'audit verify',
  'audit check-proof',
  'node status',
  'event watch',
  'vpn join',
  'vpn refresh',
  'help exit-codes',
]);
/** First lines of what is hashed and signed, not commands. */
const SIGNED = new Set(['audit seal', 'audit key', 'event log']);

const commandsOf = (text: string): string[] =>
  [...text.matchAll(/(?:^ *|`|\$\()(?:npx )?drover ([a-z][a-z-]*)(?: ([a-z][a-z-]*)(?=[\s`)]|$))?/gm)].map(
    ([, noun, verb]) => (verb === undefined ? noun! : `${noun} ${verb}`),
  );
const unknown = (text: string) =>
  commandsOf(text).filter((command) => {
    const [noun] = command.split(' ');
    if (known.has(command) || OWN_VERBS.has(command) || SIGNED.has(command)) return false;
    return command.includes(' ') && nouns.has(noun) ? true : !own.has(noun!) && !nouns.has(noun!);
  });

const HANDWRITTEN = DOCUMENTS.filter((document) => !document.startsWith('docs/reference/'));

it.each(HANDWRITTEN)('%s points to what is there', (document) => expect(missing(document, read(document))).toEqual([]));

it.each(HANDWRITTEN)('%s types commands that the CLI has', (document) => expect(unknown(read(document))).toEqual([]));

it('finds commands and paths where there are some, and tells those that are not', () => {
  expect(commandsOf(read('docs/runbooks/operators.md')).length).toBeGreaterThan(10);
  expect(pathsOf('README.md', read('README.md')).length).toBeGreaterThan(10);
  expect(unknown('```sh\nnpx drover vip fialover x\n```\n`drover nod list`')).toEqual(['vip fialover', 'nod list']);
  expect(missing('docs/x.md', '[a](no.md) `libs/none/src` [b](../README.md#start)')).toEqual([
    'docs/no.md',
    'libs/none/src',
  ]);
});

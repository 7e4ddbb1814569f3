import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FAILPOINTS } from '#kernel';

/** What the documents tell people to run: each is still there. */
const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };
const SPECS = globSync('{apps,libs,agent,proto,test,scripts}/**/*-spec.ts', { cwd: ROOT });
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', ...globSync('{docs,test,libs,packaging}/**/*.md', { cwd: ROOT })];

/** `npm run x …` and `npm test …`, up to where the code, the shell's command or its comment ends. */
const commandsOf = (text: string): string[] =>
  [...text.matchAll(/\bnpm (?:run(?: -s)? [a-z]|test\b)[^`\n#|;&)]*/g)].map(([command]) => command.trim());

const COMMANDS = DOCUMENTS.flatMap((document) =>
  [...new Set(commandsOf(read(document)))].map((command) => [document, command] as const),
);

/** The file, and what it takes its cases from: suites that several specs share stand in files of their own. */
const withSuites = (spec: string): string => {
  const text = read(spec);
  const suites = [...text.matchAll(/from '(\.[^']+)\.js'/g)].map(([, path]) => join(dirname(spec), `${path}.ts`));
  return [text, ...suites.filter((file) => existsSync(join(ROOT, file))).map(read)].join('\n');
};

/** Each suite takes specs of its own kinds. */
const specsOf = (script: string): string[] =>
  SPECS.filter(
    (spec) => (script === 'test:long') === spec.endsWith('.long-spec.ts') && !spec.startsWith('test/systemd/'),
  );

const problemsOfTest = (script: string, rest: string): string[] => {
  const [, paths = '', name] = /^(?:-- )?([^']*?)\s*(?:-t '([^']+)')?$/.exec(rest) ?? [];
  return paths.split(/\s+/).flatMap((path) => {
    if (path === '' || path.startsWith('-') || /[A-Z]{3}|jest\.config/.test(path)) return [];
    const found = specsOf(script).filter((spec) => new RegExp(path).test(spec));
    if (found.length === 0) return [`no spec of npm ${script} matches ${path}`];
    return name === undefined || found.some((spec) => withSuites(spec).includes(name))
      ? []
      : [`no test of ${found.join(', ')} says ${JSON.stringify(name)}`];
  });
};

const failpoint = (name: string): boolean =>
  Object.keys(FAILPOINTS).some((known) => known === name || known.startsWith(name.endsWith('.') ? name : `${name}.`));

/** `npm run soak -- NAME --option …` and the same of benches. */
const problemsOfProgram = (folder: string, [name = '', ...words]: readonly string[]): string[] => {
  if (name.startsWith('-') || /^[A-Z]+$/.test(name)) return [];
  const file = join('scripts', folder, `${name}.ts`);
  if (!existsSync(join(ROOT, file))) return [`there is no ${file}`];
  const text = read(file);
  return words.flatMap((word, at) => {
    const option = /^--([a-z-]+)$/.exec(word)?.[1];
    if (option === undefined || option === 'json' || option === 'help') return [];
    if (!new RegExp(`['"]?\\b${option}['"]?: \\{ type:`).test(text)) return [`${file} has no --${option}`];
    const value = words[at + 1] ?? '';
    if (name !== 'failpoints' || option !== 'only' || /^[A-Z]+$/.test(value)) return [];
    const unknown = value.split(',').filter((one) => !failpoint(one));
    return unknown.map((one) => `there is no failpoint ${one}`);
  });
};

const problemsOf = (command: string): string[] => {
  const [, script, rest = ''] = /^npm (?:run(?: -s)? )?([a-z:-]+)\s*(.*)$/.exec(command) ?? [];
  if (script === undefined || !Object.hasOwn(scripts, script)) return [`package.json has no script ${script}`];
  const words = rest
    .replace(/^--\s+/, '')
    .split(/\s+/)
    .filter(Boolean);
  if (script === 'soak') return problemsOfProgram('soaks', words);
  if (script === 'bench') return problemsOfProgram('benches', words);
  return script === 'test' || script === 'test:long' ? problemsOfTest(script, rest) : [];
};

it('finds commands where there are some', () => {
  const of = (document: string) => COMMANDS.filter(([where]) => where === document).length;
  expect(of('docs/bug-museum.md')).toBeGreaterThan(25);
  expect(of('README.md')).toBeGreaterThan(5);
});

it.each(COMMANDS)('%s: %s is there to be run', (_, command) => expect(problemsOf(command)).toEqual([]));

it.each([
  ['npm run no', /no script no/],
  ['npm run soak -- nothing', /no scripts\/soaks\/nothing/],
  ['npm run soak -- failpoints --onyl drain', /no --onyl/],
  ['npm run soak -- failpoints --only drain,nothing.at', /no failpoint nothing.at/],
  ["npm test -- leases.unit-spec -t 'never said'", /never said/],
  ['npm test -- nowhere.unit-spec', /no spec of npm test matches/],
])('tells of %s that it is not', (command, problem) => expect(problemsOf(command).join()).toMatch(problem));

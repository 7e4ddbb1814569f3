import { createInterface } from 'node:readline/promises';
import { CliError } from '../errors.js';
import type { Settings } from '../settings.js';

export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
}

const needed = (name: string, why: string): CliError =>
  new CliError(
    `${name} is protected, and this would change it`,
    why,
    `--yes-i-mean ${name}, once you are sure; --dry-run changes nothing`,
    2,
  );

const typed = async (name: string, where: string, { stdin, stderr }: Terminal): Promise<string> => {
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    return await lines.question(`This changes ${name} (${where}), which is protected. Type its name to go on: `);
  } catch (error) {
    // Ctrl-C and Ctrl-D: neither is a name.
    if ((error as Error).name !== 'AbortError') throw error;
    stderr.write('\n');
    throw new CliError('interrupted', 'no name was typed, and nothing was changed', undefined, 130);
  } finally {
    lines.close();
  }
};

/** Once for a command: somebody says that they mean this platform. Throws CliError otherwise. */
export const requireMeant = async (
  settings: Settings,
  guarded: boolean,
  terminal: Terminal = process,
  who?: string,
): Promise<void> => {
  const { protectedContext: name, meant, url } = settings;
  if (name === undefined) return;
  if (guarded) {
    const why = 'programs with a guarded token change nothing in a protected context, whatever they say';
    throw new CliError(
      `${name} is protected, and the token is a guarded one`,
      why,
      'somebody with a token of their own has to do it',
      4,
    );
  }
  if (meant === name) return;
  if (meant !== undefined) throw needed(name, `--yes-i-mean names ${meant}`);
  if (terminal.stdin.isTTY !== true) throw needed(name, 'nobody is here to type its name');
  const answer = (await typed(name, who === undefined ? url : `${url}, as ${who}`, terminal)).trim();
  if (answer !== name) throw needed(name, answer === '' ? 'nothing was typed' : 'another name was typed');
};

/** What the platform says of its tools and of the token. */
interface Listed {
  readonly tools: readonly { readonly name: string; readonly danger: string }[];
  readonly guarded: boolean;
  /** `admin in account acme`. */
  readonly who?: string;
}

const passed = new WeakSet<Settings>();
const asked = new WeakMap<Settings, Promise<Listed>>();

/** Asked for once for a command: some call the same tool over and over. */
const listedFor = (settings: Settings, catalogue: (settings: Settings) => Promise<Listed>): Promise<Listed> => {
  const known = asked.get(settings) ?? catalogue(settings);
  asked.set(settings, known);
  // What was not answered is asked for again.
  known.catch(() => asked.delete(settings));
  return known;
};

/** Before a call in a protected context: what only reads, or only tells what would be, needs nothing. */
export const confirmCall = async (
  settings: Settings,
  tool: string,
  args: Readonly<Record<string, unknown>>,
  catalogue: (settings: Settings) => Promise<Listed>,
  terminal?: Terminal,
): Promise<void> => {
  if (args['dry_run'] === true || passed.has(settings)) return;
  const { tools, guarded, who } = await listedFor(settings, catalogue);
  const known = tools.find(({ name }) => name === tool.replace(/^platform\./, ''));
  // What is not known here may be anything.
  if (known?.danger === 'read') return;
  await requireMeant(settings, guarded, terminal, who);
  passed.add(settings);
};

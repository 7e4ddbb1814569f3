import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runApply } from '../apply/command.js';
import type { ApplyRecord } from '../apply/record.js';
import type { Cli } from '../cli.js';
import { CliError } from '../errors.js';

/** `broken`: the connection breaks in the middle. */
export interface Answer {
  readonly status?: number;
  readonly error?: object;
  readonly data?: object;
  readonly broken?: true;
}
type Answers = Readonly<Record<string, Answer>>;

export interface Called {
  readonly tool: string;
  readonly key: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

const EMPTY = { networks: [], grants: [], templates: [], nodes: [], next_cursor: null };

/** `drover apply` in this process, with a home of its own, against a platform of lists and answers. */
export class ApplyRig {
  readonly home = mkdtempSync(join(tmpdir(), 'drover-apply-'));
  private readonly fetch = globalThis.fetch;

  /** One command; what no answer is given for breaks. Whoever asks for the lists is not in `called`. */
  readonly apply = async (document: string, lists: object, answers: Answers, verb: 'apply' | 'diff' = 'apply') => {
    const called: Called[] = [];
    const [said, out]: [string[], string[]] = [[], []];
    const file = join(this.home, 'fleet.yaml');
    writeFileSync(file, document);
    globalThis.fetch = async (url, init) => {
      const tool = String(url).split('/').at(-1)!;
      if (/_list_/.test(tool)) return Response.json({ success: true, data: { ...EMPTY, ...lists } });
      const key = new Headers(init?.headers).get('idempotency-key');
      called.push({ tool, key, body: JSON.parse(String(init?.body)) as Called['body'] });
      const { status = 200, error, data, broken } = answers[tool] ?? { broken: true };
      if (broken === true) throw Object.assign(new TypeError('fetch failed'), { cause: new Error('socket hang up') });
      return Response.json(error === undefined ? { success: true, data } : { success: false, error }, { status });
    };
    const cli = {
      settings: { url: 'http://platform.test', token: 't', json: false },
      ...{ env: { HOME: this.home }, terminal: false, end: new AbortController().signal },
      ...{ out: (text: string) => void out.push(text), progress: (text: string) => void said.push(text) },
    } as unknown as Cli;
    const all = () => ({ called, said: said.join('\n'), out: out.join('\n') });
    try {
      return { code: await runApply(() => cli, verb, ['-f', file], cli.out), ...all(), error: undefined };
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      return { code: error.exitCode, ...all(), error };
    }
  };

  /** What apply has written down. */
  readonly record = (): ApplyRecord => {
    const folder = join(this.home, '.local/state/drover/apply');
    return JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as ApplyRecord;
  };

  end(): void {
    globalThis.fetch = this.fetch;
    rmSync(this.home, { recursive: true });
  }
}

import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { Catalogue, type Tool } from '../catalogue.js';
import { CliError } from '../errors.js';
import { resolveSettings, type Settings } from '../settings.js';
import { candidates, listOf, type Candidate, type Place } from './candidates.js';

/** With the start of the process it is what a shell waits for: better no names than late ones. */
const ANSWER_MS = 100;
const KEPT_MS = 5_000;
const STALE_MS = 3_600_000;

const nameFile = (settings: Settings, tool: string): string => {
  const key = createHash('sha256').update(`${settings.url}|${settings.token}|${tool}`).digest('hex').slice(0, 16);
  return join(homedir(), '.cache', 'drover', `names-${key}.json`);
};

const kept = (file: string, forMs: number): readonly Candidate[] | undefined => {
  try {
    if (performance.timeOrigin + performance.now() - statSync(file).mtimeMs > forMs) return undefined;
    return JSON.parse(readFileSync(file, 'utf8')) as readonly Candidate[];
  } catch {
    return undefined;
  }
};

/** A shell that completes has nowhere to show an error but in the middle of a line; DROVER_DEBUG asks for it all the same. */
const teller =
  (isAsked: boolean) =>
  (error: unknown): undefined => {
    if (isAsked) process.stderr.write(`drover __complete: ${error instanceof Error ? error.message : String(error)}\n`);
  };
type Tell = ReturnType<typeof teller>;

/** Not fetch, and no import of http either: both load undici, which costs a Tab more than the platform's answer. */
const ask = async (settings: Settings, tool: string): Promise<readonly Candidate[]> => {
  const { request } = settings.url.startsWith('https:')
    ? process.getBuiltinModule('node:https')
    : process.getBuiltinModule('node:http');
  const text = await new Promise<string>((resolve, reject) => {
    const call = request(
      `${settings.url}/api/v1/tools/${tool}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${settings.token}`, 'content-type': 'application/json' },
        agent: false,
        signal: AbortSignal.timeout(ANSWER_MS),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(Buffer.concat(parts).toString()));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end('{}');
  });
  const { data } = JSON.parse(text) as { data?: Readonly<Record<string, unknown>> };
  return data === undefined ? [] : listOf(data);
};

/** Live names of one kind: five seconds old at most; those of the last hour, or none, when the platform does not answer in time. */
const names = async (settings: Settings, tool: string, tell: Tell): Promise<readonly Candidate[]> => {
  const file = nameFile(settings, tool);
  const known = kept(file, KEPT_MS);
  if (known !== undefined) return known;
  // No answer in time is no failure here: older names do, and the next Tab asks again.
  const found = await ask(settings, tool).catch(tell);
  if (found === undefined) return kept(file, STALE_MS) ?? [];
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, JSON.stringify(found), { mode: 0o600 });
  return found;
};

const of = async (
  tools: readonly Tool[],
  settings: Settings,
  words: readonly string[],
  tell: Tell,
): Promise<readonly Candidate[]> => {
  const place: Place = candidates(tools, words);
  const live = place.names === undefined ? [] : await names(settings, place.names, tell);
  const named = live.map(({ value, note }) => ({ value: `${place.before ?? ''}${value}`, note }));
  return [...place.fixed, ...named].filter(({ value }) => value.startsWith(words.at(-1) ?? ''));
};

/** `drover __complete WORDS…`, the last one being what is typed: a line a candidate, `value TAB note`. Silent when anything is amiss. */
export const complete = async (
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> => {
  const tell = teller(Boolean(env.DROVER_DEBUG));
  try {
    const settings = resolveSettings({ json: false }, env);
    const tools = new Catalogue(settings).remembered() ?? [];
    const found = await of(tools, settings, words, tell);
    process.stdout.write(found.map(({ value, note }) => `${value}\t${note}\n`).join(''));
    return 0;
  } catch (error) {
    tell(error);
    return error instanceof CliError ? error.exitCode : 1;
  }
};

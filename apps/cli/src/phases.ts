import type { Cli } from './cli.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { shortDuration } from './text.js';

interface Operation {
  readonly id: string;
  readonly tool: string;
  readonly subject: string;
  readonly status: 'running' | 'succeeded' | 'failed';
  readonly state: string;
  readonly progress: { readonly phase: number; readonly phases: number; readonly names: readonly string[] };
  readonly error: string | null;
}

const DEFAULT_MS = 15 * 60_000;
const LONGEST_WAIT_S = 20;

/** `--wait`: one line a phase with the time that it took, until the operation has ended. */
export const followOperation = async (
  cli: Cli,
  data: Readonly<Record<string, unknown>>,
  timeoutMs = DEFAULT_MS,
): Promise<number> => {
  if (data.pending === true) {
    const hint = `drover approval get ${String(data.approval_id)}`;
    throw new CliError('it waits for an approval', 'nothing has begun, so there is nothing to wait for', hint, 7);
  }
  const { id } = (data.operation ?? {}) as { id?: string };
  if (id === undefined) return 0;
  const begun = performance.now();
  let since = begun;
  let seen: Operation | undefined;
  for (;;) {
    const leftMs = timeoutMs - (performance.now() - begun);
    const wait_seconds = seen === undefined ? 0 : Math.max(0, Math.min(LONGEST_WAIT_S, Math.ceil(leftMs / 1_000), 1));
    const answer = await callTool(cli.settings, 'get_operation', { operation_id: id, wait_seconds });
    const now = answer.operation as Operation;
    if (seen !== undefined && seen.state !== now.state) {
      cli.progress(line(seen, performance.now() - since, 'done'));
      since = performance.now();
    }
    if (now.status !== 'running') return ended(cli, now, performance.now() - begun);
    if (seen?.state !== now.state) cli.progress(line(now, undefined, 'now'));
    seen = now;
    if (cli.end.aborted) {
      cli.progress(`interrupted: ${now.subject} goes on all the same; drover operation get ${id} tells how it stands`);
      return 130;
    }
    if (leftMs <= 0) throw late(now, timeoutMs);
  }
};

const line = ({ state, progress }: Operation, ms: number | undefined, what: string): string => {
  const at = progress.names.indexOf(state);
  const count = at < 0 ? '' : ` ${at + 1}/${progress.names.length}`;
  return `${(ms === undefined ? '' : shortDuration(ms)).padStart(9)}  ${state}${count}${what === 'now' ? ' …' : ''}`;
};

const ended = (cli: Cli, { state, status, error, subject }: Operation, ms: number): number => {
  if (status === 'failed')
    throw new CliError(`it failed: ${subject} is ${state}`, error ?? 'it says no more', `drover why ${subject}`, 8);
  cli.progress(`${shortDuration(ms).padStart(9)}  ${state}: done`);
  return 0;
};

const late = ({ state, subject, id }: Operation, timeoutMs: number): CliError => {
  const why = `${subject} is ${state} after ${shortDuration(timeoutMs)}; it goes on`;
  return new CliError('not in time', why, `drover operation get ${id}, drover why ${subject}`, 7);
};

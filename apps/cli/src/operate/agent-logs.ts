import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { troubleOf } from '../files.js';
import { CliError } from '../errors.js';
import { withoutKeys } from './redact.js';

/** The end of a log is what somebody who helps reads first; a bundle has to fit into a ticket. */
const BOUND_BYTES = 256 * 1_024;
const BOUND_LINES = 1_000;
const UNITS = ['drover-agent', 'drover'];

export interface AgentLog {
  readonly source: string;
  /** Whether there was more before. */
  readonly cut: boolean;
  /** Of a program that logs JSON, as such: what is in it is redacted by its name too. */
  readonly lines: readonly unknown[];
}

const lineOf = (line: string): unknown => {
  try {
    return line.startsWith('{') ? (JSON.parse(line) as unknown) : line;
  } catch {
    return line;
  }
};

export const logOf = (source: string, text: string, isCut: boolean): AgentLog => {
  // The first line of what was cut is half a line.
  const whole = text.split('\n').slice(isCut ? 1 : 0);
  const lines = withoutKeys(whole.join('\n'))
    .split('\n')
    .filter((line) => line !== '');
  return { source, cut: isCut || lines.length > BOUND_LINES, lines: lines.slice(-BOUND_LINES).map(lineOf) };
};

export const logFile = (file: string): AgentLog => {
  let opened: number | undefined;
  try {
    opened = openSync(file, 'r');
    const { size } = fstatSync(opened);
    const from = Math.max(0, size - BOUND_BYTES);
    const bytes = Buffer.alloc(Math.min(size, BOUND_BYTES));
    const read = readSync(opened, bytes, 0, bytes.length, from);
    return logOf(file, bytes.subarray(0, read).toString('utf8'), from > 0);
  } catch (error) {
    throw new CliError(`--log ${file} cannot be read`, troubleOf(error), 'sudo, or leave it out', 2);
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
};

type Run = (command: string, args: readonly string[]) => { readonly status: number | null; readonly stdout: string };

const run: Run = (command, args) => {
  const { status, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 10_000,
    maxBuffer: 64 * 1_024 * 1_024,
  });
  return { status, stdout: stdout ?? '' };
};

/** What the agent and the platform on this machine wrote to the journal, where they run here and this user may read it. */
export const journalLogs = (use: Run = run): readonly AgentLog[] =>
  UNITS.flatMap((unit) => {
    const { status, stdout } = use('journalctl', [
      '-u',
      unit,
      '-n',
      String(BOUND_LINES),
      '-o',
      'cat',
      '--no-pager',
      '--quiet',
    ]);
    if (status !== 0 || stdout.trim() === '') return [];
    const bytes = Buffer.from(stdout);
    const isCut = bytes.length > BOUND_BYTES;
    return [logOf(`journalctl -u ${unit}`, bytes.subarray(-BOUND_BYTES).toString('utf8'), isCut)];
  });

import { writeFileSync } from 'node:fs';
import { hostname, platform, release } from 'node:os';
import { CliError } from '../errors.js';
import { troubleOf } from '../files.js';
import { callTool } from '../client.js';
import type { Settings } from '../settings.js';
import { version } from '../version.js';
import { journalLogs, logFile } from './agent-logs.js';
import { examine, type Patient } from './doctor-checks.js';
import { redacted } from './redact.js';

/** What goes in; each is left out, and said so, when it cannot be had. */
const TOOLS: readonly (readonly [tool: string, args: Readonly<Record<string, unknown>>])[] = [
  ['platform_health', {}],
  ['list_agents', {}],
  ['system_list_projections', {}],
  ['system_list_templates', { limit: 200 }],
  ['system_list_nodes', { limit: 200 }],
  ['system_list_instances', { limit: 200 }],
  ['system_get_silent_instances', {}],
  ['kubernetes_list_clusters', {}],
  ['system_sdwan_list_networks', {}],
  ['system_sdwan_list_peers', { limit: 200 }],
  ['system_sdwan_list_virtual_ips', {}],
  ['system_sdwan_list_firewall_rules', {}],
  ['list_audit_keys', {}],
  ['recent_events', { limit: 500 }],
];

const NEVER = [
  'tokens, private keys, kubeconfigs, bootstrap URLs and join commands; values of environment variables; configuration of modules',
  'the log itself: drover audit export',
];

/** Secrets that this process knows, so that they are found wherever they turn up. */
const knownSecrets = (settings: Settings | undefined, env: Patient['env']): string[] =>
  [
    settings?.token,
    ...Object.entries(env).flatMap(([name, value]) =>
      /TOKEN|SECRET|PASSWORD|GRANT|_KEY|DATABASE_URL/.test(name) ? [value] : [],
    ),
  ]
    // Of a key in several lines each by itself: logs are taken apart into lines.
    .flatMap((one) => (one === undefined ? [] : [one, ...one.split('\n')]))
    .filter((one) => one.length >= 6)
    .toSorted((a, b) => b.length - a.length);

const gather = async (settings: Settings | undefined) => {
  const answers: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const [tool, args] of settings === undefined ? [] : TOOLS) {
    try {
      answers[tool] = await callTool(settings!, tool, args);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      missing.push(`${tool}: ${error.message}`);
      if (error.exitCode === 3) break;
    }
  }
  return { answers, missing };
};

interface Flags {
  /** `-`: stdout, for a program that encrypts it. */
  readonly file: string;
  readonly logs: readonly string[];
}

const flagsOf = (words: readonly string[], now: Date): Flags => {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const logs: string[] = [];
  let file: string | undefined;
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--(out|log)(?:=(.+))?$/s.exec(words[i]!) ?? [];
    const value = name === undefined ? undefined : (inline ?? words[++i]);
    if (value === undefined || value === '')
      throw new CliError(
        `drover support: ${words.join(' ')}`,
        'it has --out FILE and --log FILE',
        'drover support --out support.json',
        2,
      );
    if (name === 'log') logs.push(value);
    else file = value;
  }
  return { file: file ?? `drover-support-${stamp}.json`, logs };
};

const ELSEWHERE =
  'logs of agents on other machines: `drover support` there, or --log FILE of what journalctl -u drover-agent says there';

const write = (file: string, text: string): void => {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new CliError(`${file} cannot be written`, troubleOf(error), '--out FILE, one that is not there', 2);
  }
};

/** `drover support [--out FILE] [--log FILE…]`: one readable file for whoever helps. */
export const runSupport = async (
  patient: Patient,
  words: readonly string[],
  io: {
    readonly out: (text: string) => Promise<void> | void;
    readonly progress: (text: string) => void;
    readonly now: Date;
  },
): Promise<number> => {
  const { file, logs: files } = flagsOf(words, io.now);
  const logs = [...files.map(logFile), ...journalLogs()];
  const settings = patient.settings instanceof CliError ? undefined : patient.settings;
  const { answers, missing } = await gather(settings);
  const checks = (await examine(patient)).map(({ fix: _, ...finding }) => finding);
  const bundle = {
    made_at: io.now.toISOString(),
    cli: {
      version: version(),
      node: process.version,
      system: `${platform()} ${release()} ${process.arch}`,
      host: hostname(),
    },
    platform: settings?.url ?? null,
    environment: Object.keys(patient.env)
      .filter((name) => /^(DROVER|DATABASE|KURRENT|XDG|NO_COLOR)/.test(name))
      .sort(),
    checks,
    answers,
    logs,
    left_out: [...NEVER, ELSEWHERE, ...missing],
  };
  const text = `${JSON.stringify(redacted(bundle, knownSecrets(settings, patient.env)), null, 2)}\n`;
  const isPiped = file === '-';
  if (isPiped) await io.out(text.trimEnd());
  else write(file, text);
  const tell = isPiped ? io.progress : io.out;
  const found = `${Object.keys(answers).length} answers, ${checks.length} checks and ${logs.length} logs`;
  await tell(`${isPiped ? 'stdout' : file}: ${found}, without secrets; read it before you hand it on`);
  for (const one of bundle.left_out) await tell(`left out: ${one}`);
  return missing.length > 0 ? 9 : 0;
};

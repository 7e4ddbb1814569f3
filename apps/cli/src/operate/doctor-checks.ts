import { accessSync, chmodSync, constants, existsSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Catalogue } from '../catalogue.js';
import { callTool, fetchCatalogue } from '../client.js';
import { contextFile, isExposed, readContexts } from '../contexts/file.js';
import { CliError } from '../errors.js';
import { advice } from '../hints.js';
import type { Settings } from '../settings.js';
import { shortDuration } from '../text.js';
import { failed, ok, type Finding } from './finding.js';
import { onNodes, ownCertificates, sealed } from './doctor-keeping.js';

export interface Patient {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Or why there are none. */
  readonly settings: Settings | CliError;
}

const contexts = ({ env }: Patient): readonly Finding[] => {
  const file = contextFile(env);
  if (file === undefined || !existsSync(file)) return [ok('contexts', 'none kept')];
  if (isExposed(file)) {
    const evidence = `${file} holds tokens and others may read it`;
    return [
      { check: 'contexts', verdict: 'fail', evidence, repair: `chmod 600 ${file}`, fix: () => chmodSync(file, 0o600) },
    ];
  }
  try {
    return keptContexts(env);
  } catch (error) {
    return [failed('contexts', error)];
  }
};

const keptContexts = (env: Patient['env']): readonly Finding[] => {
  const { current, contexts: all } = readContexts(env);
  return [ok('contexts', `${Object.keys(all).length} kept, current: ${current ?? 'none'}`)];
};

const tokenFile = ({ env }: Patient): readonly Finding[] => {
  const file = join(env.DROVER_DATA_DIR || './data', 'admin.token');
  if (!existsSync(file)) return [];
  if ((statSync(file).mode & 0o077) === 0) return [ok('token file', `${file} is for its owner only`)];
  const evidence = `${file} may be read by others`;
  return [
    { check: 'token file', verdict: 'fail', evidence, repair: `chmod 600 ${file}`, fix: () => chmodSync(file, 0o600) },
  ];
};

const cache = ({ settings }: Patient): readonly Finding[] => {
  if (settings instanceof CliError) return [];
  const broken = new Catalogue(settings).brokenFile();
  if (broken === undefined) return [ok('cache', join(homedir(), '.cache/drover'))];
  const evidence = `${broken} is no list of tools`;
  return [
    { check: 'cache', verdict: 'warn', evidence, repair: `rm ${broken}`, fix: () => rmSync(broken, { force: true }) },
  ];
};

const tun = (): readonly Finding[] => {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return [ok('/dev/net/tun', 'there: WireGuard without the kernel module works')];
  } catch {
    const evidence = 'not usable; only `drover vpn` and agents on this machine need it';
    return [{ check: '/dev/net/tun', verdict: 'warn', evidence, repair: 'sudo modprobe tun' }];
  }
};

/** A clock further off than this makes certificates and expiries look wrong. */
const SKEW_MS = 5_000;

const reach = async (settings: Settings): Promise<readonly Finding[]> => {
  const begun = performance.now();
  let response: Response;
  try {
    response = await fetch(`${settings.url}/readyz`, { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    const repair = 'start it, or drover context use, or --url';
    return [{ check: 'platform', verdict: 'fail', evidence: `${settings.url} does not answer: ${cause}`, repair }];
  }
  const took = shortDuration(performance.now() - begun);
  const text = (await response.text()).slice(0, 200);
  const isReady = response.status === 200;
  const found: Finding[] = [
    { check: 'platform', verdict: isReady ? 'ok' : 'fail', evidence: `${settings.url} answered in ${took}: ${text}` },
  ];
  const date = response.headers.get('date');
  if (date !== null) {
    const skewMs = Math.abs(Date.parse(date) - (performance.timeOrigin + performance.now()));
    const bad = skewMs > SKEW_MS;
    found.push({
      check: 'clock',
      verdict: bad ? 'warn' : 'ok',
      evidence: `${shortDuration(Math.max(0, skewMs - 1_000))} away from the platform's`,
      ...(bad ? { repair: 'timedatectl set-ntp true' } : {}),
    });
  }
  return found;
};

const token = async (settings: Settings): Promise<readonly Finding[]> => {
  try {
    const { tools, who } = await fetchCatalogue(settings);
    const where = settings.context === undefined ? '' : `, from context ${settings.context}`;
    const whose = who === undefined ? '' : ` as ${who}`;
    return [
      ok('token', `accepted${whose}${where}; ${tools.length} tools may be called`),
      ...(await tokenEnd(settings)),
    ];
  } catch (error) {
    return [failed('token', error)];
  }
};

/** Less than this, and it ends in somebody's work. */
const SOON_MS = 3_600_000;

/** When it ends, where this token may see that. */
const tokenEnd = async (settings: Settings): Promise<readonly Finding[]> => {
  const id = settings.token.split('_')[1];
  let tokens: readonly { readonly id: string; readonly expires_at: string | null }[];
  try {
    tokens = (await callTool(settings, 'system_list_tokens', { limit: 200 })).tokens as typeof tokens;
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
  const end = tokens.find((one) => one.id === id)?.expires_at;
  if (end === undefined) return [];
  if (end === null) return [ok('token end', 'none: it opens until it is revoked')];
  const leftMs = Date.parse(end) - (performance.timeOrigin + performance.now());
  if (leftMs > SOON_MS) return [ok('token end', `${end}, in ${shortDuration(leftMs)}`)];
  return [
    { check: 'token end', verdict: 'warn', evidence: `${end}: soon`, repair: 'drover login, or drover token rotate' },
  ];
};

interface Part {
  readonly name: string;
  readonly status: string;
  readonly lag: number | null;
  readonly fault?: string;
}

/** Behind by more than this is worth a look. */
const LAG = 1_000;

const health = async (settings: Settings): Promise<readonly Finding[]> => {
  try {
    const data = await callTool(settings, 'platform_health', {});
    const kept = [...ownCertificates(data), ...sealed(settings, data)];
    const parts = data.parts as readonly Part[];
    const sick = parts.filter(
      ({ status, lag, fault }) => fault !== undefined || status === 'faulted' || (lag ?? 0) > LAG,
    );
    const problems = [
      ...(data.problems as readonly string[]),
      ...((data.warnings as readonly string[] | undefined) ?? []),
      ...sick.map(
        ({ name, status, lag, fault }) =>
          `${name} ${status}, lag ${lag ?? '?'}${fault === undefined ? '' : `: ${fault}`}`,
      ),
    ];
    const shared = { check: 'parts', repair: 'drover platform health; drover projection list' };
    if (problems.length === 0)
      return [ok('parts', `${parts.length} projections and process managers, none faulty or behind`), ...kept];
    const verdict = data.status === 'ok' ? 'warn' : 'fail';
    return [...problems.map((evidence) => ({ ...shared, verdict, evidence }) as const), ...kept];
  } catch (error) {
    return [{ ...failed('parts', error), verdict: 'warn' }];
  }
};

const machines = async (settings: Settings): Promise<readonly Finding[]> => {
  try {
    const { instances } = await callTool(settings, 'system_list_instances', { limit: 200 });
    const all = instances as readonly {
      name: string;
      state: string;
      agent_version: string | null;
      next_action: string | null;
    }[];
    const bad = all.filter(({ state }) => state === 'lost' || state === 'error');
    const versions = [...new Set(all.flatMap(({ agent_version }) => agent_version ?? []))];
    const told: Finding[] = bad.map(({ name, state, next_action }) => ({
      check: 'machines',
      verdict: 'warn',
      evidence: `${name} is ${state}`,
      repair: advice(settings, next_action ?? `drover why ${name}`, 'system_list_instances', { id: name }),
    }));
    const mixed =
      versions.length > 1
        ? [{ check: 'agents', verdict: 'warn' as const, evidence: `several versions: ${versions.join(', ')}` }]
        : [];
    return [...told, ...mixed, ...(bad.length === 0 ? [ok('machines', `${all.length}, none lost or in error`)] : [])];
  } catch (error) {
    return [{ ...failed('machines', error), verdict: 'warn' }];
  }
};

const stream = async (settings: Settings): Promise<readonly Finding[]> => {
  try {
    const response = await fetch(`${settings.url}/events?from=now`, {
      headers: { authorization: `Bearer ${settings.token}` },
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    if (response.status === 200) return [ok('event stream', 'opens')];
    const repair = 'drover event watch says why';
    return [{ check: 'event stream', verdict: 'warn', evidence: `HTTP ${response.status}`, repair }];
  } catch (error) {
    const evidence = `does not open: ${error instanceof Error ? error.message : String(error)}`;
    return [{ check: 'event stream', verdict: 'warn', evidence, repair: 'a proxy in between must not buffer /events' }];
  }
};

/** From the machine outwards; what needs the platform is left out when it does not answer. */
export const examine = async (patient: Patient): Promise<readonly Finding[]> => {
  const local = [...contexts(patient), ...tokenFile(patient), ...cache(patient), ...tun()];
  const { settings } = patient;
  if (settings instanceof CliError) return [...local, failed('settings', settings)];
  const reached = await reach(settings);
  if (reached[0]?.verdict === 'fail') return [...local, ...reached];
  const accepted = await token(settings);
  if (accepted[0]?.verdict === 'fail') return [...local, ...reached, ...accepted];
  const rest = await Promise.all([stream(settings), health(settings), machines(settings), ...onNodes(settings)]);
  return [...local, ...reached, ...accepted, ...rest.flat()];
};

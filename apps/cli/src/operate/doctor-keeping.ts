import { callTool } from '../client.js';
import { CliError } from '../errors.js';
import type { Settings } from '../settings.js';
import { shortDuration } from '../text.js';
import { failed, ok, type Finding } from './finding.js';

type Row = Readonly<Record<string, unknown>>;

const nowMs = (): number => performance.timeOrigin + performance.now();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Something that ends, and how long before its end it should have been made anew. */
export interface Ending {
  readonly name: string;
  readonly end: string;
  readonly soonMs: number;
  readonly repair: string;
}

const left = (ms: number): string => (ms > 2 * DAY_MS ? `${Math.floor(ms / DAY_MS)} days` : shortDuration(ms));

/** One line when none ends soon, else one for each that does. */
export const endings = (check: string, all: readonly Ending[], atMs: number): readonly Finding[] => {
  const leftMs = ({ end }: Ending): number => Date.parse(end) - atMs;
  const ordered = all.toSorted((a, b) => leftMs(a) - leftMs(b));
  const due = ordered.filter((one) => leftMs(one) < one.soonMs);
  const [first] = ordered;
  if (first === undefined) return [];
  if (due.length === 0) {
    const next = `${all.length === 1 ? '' : `${all.length}, the first to end: `}${first.name}`;
    return [ok(check, `${next}, in ${left(leftMs(first))} (${first.end})`)];
  }
  return due.map((one) => {
    const over = leftMs(one) <= 0;
    const when = over
      ? `ended ${left(-leftMs(one))} ago`
      : `ends in ${left(leftMs(one))}, and should be renewed by now`;
    return { check, verdict: over ? 'fail' : 'warn', evidence: `${one.name} ${when} (${one.end})`, repair: one.repair };
  });
};

const OWN: Readonly<Record<string, Pick<Ending, 'soonMs' | 'repair'>>> = {
  // It lives ten years; every agent and every join command trusts this one.
  'platform CA': { soonMs: 180 * DAY_MS, repair: 'plan a new platform: its CA cannot be renewed in place' },
  // Made anew every day, for ninety.
  'server certificate': { soonMs: 60 * DAY_MS, repair: 'the log of the platform says why; a restart makes a new one' },
};

/** Of what platform_health answers; a platform of before says nothing of them. */
export const ownCertificates = (health: Row): readonly Finding[] => {
  const all = (health.certificates ?? []) as readonly { readonly name: string; readonly not_after: string }[];
  const of = (name: string) => OWN[name] ?? { soonMs: 30 * DAY_MS, repair: 'drover platform health' };
  return endings(
    'certificates of the platform',
    all.map(({ name, not_after: end }) => ({ name, end, ...of(name) })),
    nowMs(),
  );
};

/** A seal is made every minute unless configured otherwise; what waits for longer can be altered meanwhile without a trace. */
const UNSEALED_MS = 10 * 60_000;

interface Sealing {
  readonly last_seal_at: string | null;
  readonly waiting_since: string | null;
  /** Not told by a platform of before. */
  readonly seal_seconds?: number;
}

/** How old the last seal is matters only when something waits for the next one: a log at rest needs none. */
export const sealed = (settings: Settings, health: Row, atMs = nowMs()): readonly Finding[] => {
  const audit = health.audit as Sealing | undefined;
  if (audit === undefined) return [];
  const { last_seal_at: last, waiting_since: since, seal_seconds: every = 60 } = audit;
  const ago = (time: string) => left(Math.max(0, atMs - Date.parse(time)));
  const seal = last === null ? 'no seal yet' : `the last is ${ago(last)} old`;
  const waits = since === null ? 'nothing waits for the next' : `an event waits for the next since ${ago(since)}`;
  const evidence = `${seal}, ${waits}`;
  // One may just have begun to wait when the last was made, and the next takes its time.
  const patienceMs = Math.max(UNSEALED_MS, 2_000 * every);
  if (since === null || atMs - Date.parse(since) < patienceMs) return [ok('audit seal', evidence)];
  const fix = async () => void (await callTool(settings, 'seal_audit', {}));
  return [{ check: 'audit seal', verdict: 'fail', evidence, repair: 'drover audit seal', fix }];
};

const GONE = new Set(['terminated', 'forgotten']);

/** An agent renews at two thirds of its certificate's life, thirty days unless the platform says otherwise; a day at least. */
const agents = async (settings: Settings): Promise<readonly Finding[]> => {
  const found: Ending[] = [];
  for (const one of await rowsOf(settings, 'system_list_instances', 'instances')) {
    const {
      name,
      state,
      certificate_not_after: end,
    } = one as { name: string; state: string; certificate_not_after: unknown };
    if (typeof end !== 'string' || GONE.has(state)) continue;
    const repair = `drover why ${name}; once it has ended: drover instance join-token id=${name}`;
    found.push({ name, end, soonMs: 6 * HOUR_MS, repair });
  }
  return endings('certificates of agents', found, nowMs());
};

const dockerHosts = async (settings: Settings): Promise<readonly Finding[]> => {
  const { hosts } = await callTool(settings, 'system_list_managed_docker_hosts', {});
  const found = (hosts as readonly Row[]).flatMap(({ name, certificate_not_after: end }): Ending[] =>
    typeof end === 'string'
      ? [{ name: String(name), end, soonMs: 6 * HOUR_MS, repair: `drover why ${String(name)}: its agent renews it` }]
      : [],
  );
  return endings('certificates of Docker', found, nowMs());
};

export interface ClusterNode {
  readonly cluster: string;
  readonly name: string;
  readonly certificates_end?: string | null;
  readonly binary_digest?: string | null;
  readonly wanted_digest?: string | null;
}

const short = (digest: string): string => digest.slice(0, 12);

const NAMED = 3;

/** Nodes that say nothing: joining, down (the machines are told of elsewhere), or connected to another process of the platform. */
const notHeard = (nodes: readonly ClusterNode[]): string => {
  const silent = nodes.filter(({ binary_digest: is, wanted_digest: wanted }) => is == null && wanted != null);
  if (silent.length === 0) return '';
  const names = silent.slice(0, NAMED).map(({ name, cluster }) => `${name} of ${cluster}`);
  const more = silent.length > NAMED ? ` and ${silent.length - NAMED} more` : '';
  return `not heard within a minute by this process: ${names.join(', ')}${more}`;
};

/** Whether each node has the k3s that it is to have; where nobody said which, whether all of a cluster have the same. */
export const programs = (nodes: readonly ClusterNode[]): readonly Finding[] => {
  const check = 'k3s program';
  const told = nodes.filter(({ binary_digest: digest }) => digest != null);
  const silent = notHeard(nodes);
  if (told.length === 0) return silent === '' ? [] : [ok(check, silent)];
  const wrong = told.filter(({ binary_digest: is, wanted_digest: wanted }) => wanted != null && is !== wanted);
  const findings = wrong.map(({ name, cluster, binary_digest: is, wanted_digest: wanted }): Finding => {
    const evidence = `${name} of ${cluster} has ${short(is!)}, and is to have ${short(wanted!)}`;
    const repair = `on ${name}: systemctl restart drover-agent, which puts the right one there`;
    return { check, verdict: 'fail', evidence, repair };
  });
  for (const cluster of new Set(told.map((one) => one.cluster))) {
    const free = told.filter((one) => one.cluster === cluster && one.wanted_digest == null);
    const digests = [...new Set(free.map(({ binary_digest: digest }) => short(digest!)))];
    if (digests.length <= 1) continue;
    const evidence = `the nodes of ${cluster} have several: ${digests.join(', ')}`;
    const repair = 'drover module create-version, with its sha256, and drover cluster upgrade: then all have the same';
    findings.push({ check, verdict: 'warn', evidence, repair });
  }
  if (findings.length > 0) return findings;
  const wanted = told.filter((one) => one.wanted_digest != null).length;
  if (wanted === 0) {
    const one = `all have ${short(told[0]!.binary_digest!)}`;
    const same = new Set(told.map((node) => node.binary_digest)).size === 1 ? `, and ${one}` : '';
    return [ok(check, `nobody said which the ${told.length} nodes are to have${same}`)];
  }
  const rest = wanted < told.length ? `; for ${told.length - wanted} nobody said which, and they have the same` : '';
  const heard = silent === '' ? '' : `; ${silent}`;
  return [ok(check, `${wanted} of ${nodes.length} nodes have the one that they are to have${rest}${heard}`)];
};

/** K3s renews nothing while it runs; the platform begins a rollout 45 days before the end. */
const clusters = async (settings: Settings): Promise<readonly Finding[]> => {
  const nodes: ClusterNode[] = [];
  for (const { id, name } of await rowsOf(settings, 'kubernetes_list_clusters', 'clusters')) {
    const answer = await callTool(settings, 'kubernetes_list_nodes', { cluster_id: id });
    for (const node of answer.nodes as readonly Row[]) {
      const called = String(node.name ?? node.instance_id);
      nodes.push({ ...(node as unknown as ClusterNode), cluster: String(name), name: called });
    }
  }
  const found = nodes.flatMap(({ name, cluster, certificates_end: end }): Ending[] => {
    const repair = `drover cluster rotate-certificates cluster_id=${cluster} (node by node; the platform does it by itself 45 days before)`;
    return end == null ? [] : [{ name: `${name} of ${cluster}`, end, soonMs: 30 * DAY_MS, repair }];
  });
  return [...endings('certificates of K3s', found, nowMs()), ...programs(nodes)];
};

const rowsOf = async (settings: Settings, tool: string, list: string): Promise<readonly Row[]> => {
  const found: Row[] = [];
  let cursor: unknown;
  do {
    const page: Row = await callTool(settings, tool, { limit: 200, ...(cursor == null ? {} : { cursor }) });
    found.push(...(page[list] as readonly Row[]));
    cursor = page.next_cursor;
  } while (cursor != null);
  return found;
};

/** What a token may not see is told as not seen: it is nobody's fault. */
const unlessRefused = async (check: string, work: Promise<readonly Finding[]>): Promise<readonly Finding[]> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof CliError) return [{ ...failed(check, error), verdict: 'warn' }];
    throw error;
  }
};

export const onNodes = (settings: Settings): readonly Promise<readonly Finding[]>[] => [
  unlessRefused('certificates of agents', agents(settings)),
  unlessRefused('certificates of Docker', dockerHosts(settings)),
  unlessRefused('certificates of K3s', clusters(settings)),
];

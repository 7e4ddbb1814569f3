import { deterministicUuid, sha256Hex, failpoint } from '#kernel';
import { agentV1, argsDigest } from '#proto';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager, ServiceSpec } from '../services/service-manager.js';
import { RuntimeDown, whyDown } from './causes.js';
import { agentHealth, serverHealth, type Health } from './health.js';
import { K3sData, stoppedState } from './k3s-data.js';
import { installK3s, k3sVersion } from './install.js';
import { K3sLeaving } from './leaving/leaving.js';
import type { K3sPaths } from './paths.js';
import { grantOf, serviceName, storedGrant } from './grant.js';
import { PhaseRefused } from './phase-refused.js';
import type { PhaseStore } from './phase-state.js';
import { certificatesEndMs } from './certificates.js';
import { K3sRotation } from './rotation.js';
import { onlyTokenDiffers, ServerToken } from './server-token.js';
import { configDigest, renderConfig, renderDropIn, type JoinGrant, type K3sSpec } from './render.js';

const { Phase, Runtime } = agentV1;

export interface K3sDeps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
  readonly stateDir: string;
  readonly fallbackBinary: string | undefined;
  /** Links, namespaces and packet filters of this machine are the agent's to change. */
  readonly network: boolean;
  report(request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse>;
}

/** What one round came to; `again` asks for another one after so many milliseconds. */
export type Round =
  { readonly kind: 'done' } | { readonly kind: 'again'; readonly afterMs: number; readonly why: string };

/** K3s on this node, one level-triggered round at a time. Nothing here waits long: the caller comes again. */
export class K3sDriver {
  private installed: { readonly wanted: string; readonly binary: string } | undefined;

  readonly data: K3sData;
  readonly token: ServerToken;
  readonly leaving: K3sLeaving;
  private readonly rotation: K3sRotation;
  /** Of the arguments that each assignment's service was started with by this process. */
  private readonly running = new Map<string, string>();

  constructor(private readonly deps: K3sDeps) {
    this.data = new K3sData(deps);
    this.leaving = new K3sLeaving(deps);
    this.token = new ServerToken(deps.ports.files, deps.stateDir);
    this.rotation = new K3sRotation({ ...deps, token: this.token });
  }

  /** When the first of this node's certificates ends; undefined while there are none. */
  certificatesEndMs(): Promise<number | undefined> {
    return certificatesEndMs(this.deps.ports.files, this.deps.paths);
  }

  get program(): string | undefined {
    return this.installed?.binary;
  }

  argsDigest(spec: K3sSpec): string {
    return this.running.get(spec.assignment_id) ?? '';
  }

  async round(spec: K3sSpec): Promise<Round> {
    if (spec.state === 'wait') return { kind: 'done' };
    if (spec.state === 'stop') return this.stop(spec);
    const { phases, ports } = this.deps;
    let state = phases.get(spec.assignment_id);
    if ((state.halted ?? '') !== '') return { kind: 'again', afterMs: 1_000, why: 'halted for a restore' };
    if (state.stopped) state = await this.data.revive(spec);
    if (!state.installing) {
      await this.report(spec, Phase.PHASE_INSTALLING, {});
      await failpoint('agent.k3s_announced');
      state = await phases.set(spec.assignment_id, { installing: true });
    }
    const binary = await this.install(spec);
    if (spec.kind === 'k3s_agent') await this.data.settleWorker(spec);
    const plan = spec.kind === 'k3s_server' ? { ...spec, role: await this.data.settle(spec) } : spec;
    await this.rotation.before(plan, binary, serviceName(plan));
    if (!(await this.rotation.tokenFor(plan, serviceName(plan))))
      return { kind: 'again', afterMs: 1_000, why: 'the new server token is not here yet' };
    const grant = await this.grant(plan);
    if (grant.kind === 'again') return grant;
    await this.data.own(plan, phases.get(spec.assignment_id).clusterId || (spec.cluster_id ?? ''));
    await this.start(plan, binary, grant.grant);
    const health = await this.health(plan);
    if (!health.ready) return this.notReady(plan, health);
    const isFirst = plan.kind === 'k3s_server' && plan.role === 'init';
    if (isFirst && !phases.get(spec.assignment_id).bootstrapped) {
      const again = await this.bootstrapOrYield(plan, binary);
      if (again !== undefined) return again;
    }
    const news = await this.rotation.news(plan);
    if (news !== undefined) {
      await this.report(spec, Phase.PHASE_ROTATED, news);
      await this.rotation.told(plan, news);
    }
    state = phases.get(spec.assignment_id);
    if (state.ready) return { kind: 'done' };
    if (!(await this.ready(spec, binary))) return { kind: 'again', afterMs: 1_000, why: 'joins anew' };
    await failpoint('agent.k3s_ready');
    await phases.set(spec.assignment_id, { ready: true });
    ports.log.info({ assignment: spec.assignment_id, kind: spec.kind }, 'k3s is ready');
    return { kind: 'done' };
  }

  /**
   * False when the platform has removed this worker meanwhile, as one that joined for too long: it asks for another token and
   * is started anew, so that its kubelet registers again. A server is not told so lightly that its data are nobody's.
   */
  private async ready(spec: K3sSpec, binary: string): Promise<boolean> {
    const { phases, ports } = this.deps;
    const { clusterId, life } = phases.get(spec.assignment_id);
    try {
      await this.report(spec, Phase.PHASE_READY, { version: await k3sVersion(ports, binary), clusterId });
      return true;
    } catch (error) {
      if (spec.kind !== 'k3s_agent' || !(error instanceof PhaseRefused) || error.code !== 'not_joining') throw error;
      ports.log.warn({ assignment: spec.assignment_id }, 'the platform no longer counts this worker: it joins anew');
      await phases.set(spec.assignment_id, { joined: false, started: 'removed', life: life + 1 });
      return false;
    }
  }

  /** Looked at once per life of the agent: a binary does not change under a running service. */
  async install(spec: K3sSpec): Promise<string> {
    const wanted = JSON.stringify(spec.binary);
    if (this.installed?.wanted === wanted) return this.installed.binary;
    const { ports, paths, fallbackBinary, stateDir } = this.deps;
    const binary = await installK3s(ports, spec, paths, fallbackBinary, stateDir);
    this.installed = { wanted, binary };
    return binary;
  }

  health(spec: K3sSpec): Promise<Health> {
    const { ports, paths, phases } = this.deps;
    const restarted = { node: spec.node_name, atMs: phases.get(spec.assignment_id).restartedMs };
    return spec.kind === 'k3s_server' ? serverHealth(ports, paths, restarted) : agentHealth(ports, paths, restarted);
  }

  /** Tells the platform that this runtime can't be brought up or stopped, with the reason; the agent goes on trying. */
  async failed(spec: K3sSpec, error: string): Promise<void> {
    await this.report(spec, Phase.PHASE_FAILED, { error, stopping: spec.state === 'stop' });
  }

  async stop(spec: K3sSpec): Promise<Round> {
    const state = this.deps.phases.get(spec.assignment_id);
    if (state.stopped) return { kind: 'done' };
    await this.deps.services.stop(serviceName(spec));
    await this.leaving.endPods();
    await this.report(spec, Phase.PHASE_STOPPED, { clusterId: state.clusterId });
    await this.deps.phases.set(spec.assignment_id, stoppedState(state));
    return { kind: 'done' };
  }

  /** A token to join with. The first server needs none, unless the datastore is somebody else's. */
  private async grant(
    spec: K3sSpec,
  ): Promise<{ readonly kind: 'ok'; readonly grant: JoinGrant | undefined } | Extract<Round, { kind: 'again' }>> {
    const external = spec.kind === 'k3s_server' && spec.datastore === 'external';
    if (spec.kind === 'k3s_server' && spec.role === 'init' && !external) return { kind: 'ok', grant: undefined };
    const state = this.deps.phases.get(spec.assignment_id);
    const current = !external || state.datastoreVersion === spec.datastore_version;
    if ((state.joined || (external && state.datastoreVersion !== '')) && current) {
      const known = await storedGrant(spec, this.deps.ports.files, this.deps.paths);
      if (known !== undefined) return { kind: 'ok', grant: known };
    }
    const target = spec.kind === 'k3s_agent' ? (spec.target_cluster_id ?? '') : (spec.cluster_id ?? '');
    // With another endpoint it is another request: of the same one the answer may be kept.
    const salt = external ? spec.datastore_version : '';
    const answer = await this.send(spec, Phase.PHASE_JOIN_REQUEST, { targetClusterId: target }, salt);
    if (answer.kind === 'later') return { kind: 'again', afterMs: answer.afterMs, why: 'the cluster has no token yet' };
    const grant = grantOf(spec, answer.ack);
    if (spec.kind === 'k3s_server') await this.token.forget();
    await failpoint('agent.k3s_joining');
    if (spec.kind === 'k3s_agent')
      await this.deps.ports.files.write(this.deps.paths.dropIn, renderDropIn(grant), 0o600);
    else await this.deps.ports.files.write(this.deps.paths.config, renderConfig(spec, this.deps.paths, grant), 0o600);
    await failpoint('agent.k3s_drop_in_written');
    const joined = spec.kind === 'k3s_agent' || spec.role === 'join';
    const datastoreVersion = external ? spec.datastore_version : '';
    await this.deps.phases.set(spec.assignment_id, { joined, datastoreVersion, clusterId: answer.ack.clusterId });
    return { kind: 'ok', grant };
  }

  private async start(spec: K3sSpec, binary: string, grant: JoinGrant | undefined): Promise<void> {
    const { ports, paths, phases, services } = this.deps;
    const held = spec.kind === 'k3s_server' ? await this.token.of(spec.cluster_id ?? '') : undefined;
    const config = renderConfig(spec, paths, grant, held?.token);
    const digest = configDigest(`${binary}\n${config}`);
    const before = (await ports.files.read(paths.config))?.toString('utf8');
    if (
      onlyTokenDiffers(before, config) &&
      phases.get(spec.assignment_id).started === configDigest(`${binary}\n${before}`)
    )
      await phases.set(spec.assignment_id, { started: digest });
    if (before !== config) await ports.files.write(paths.config, config, 0o600);
    await failpoint('agent.k3s_config_written');
    const service: ServiceSpec = {
      name: serviceName(spec),
      description: spec.kind === 'k3s_server' ? 'Lightweight Kubernetes (server)' : 'Lightweight Kubernetes (agent)',
      command: binary,
      args: [spec.kind === 'k3s_server' ? 'server' : 'agent', '--config', paths.config],
      env:
        spec.kind === 'k3s_agent' && grant !== undefined ? { K3S_URL: grant.apiEndpoint, K3S_TOKEN: grant.token } : {},
    };
    const { started, life } = phases.get(spec.assignment_id);
    if (started !== '' && started !== digest) {
      ports.log.info({ assignment: spec.assignment_id }, 'k3s configuration changed, restarting it');
      // It is another runtime now: the platform is told anew when it is ready, as a new life of the assignment.
      await phases.set(spec.assignment_id, { ready: false, life: life + 1, restartedMs: ports.clock.wallMs() });
      await services.restart(service);
    } else await services.ensure(service);
    await failpoint('agent.k3s_started');
    this.running.set(spec.assignment_id, argsDigest(spec.args));
    if (started !== digest) await phases.set(spec.assignment_id, { started: digest });
  }

  private async notReady(spec: K3sSpec, health: Health): Promise<Round> {
    if (await this.rotation.otherToken(spec, serviceName(spec)))
      return { kind: 'again', afterMs: 0, why: 'k3s is started with the other server token' };
    const down = await whyDown(this.deps.services, serviceName(spec));
    if (down !== undefined) throw new RuntimeDown(down);
    return { kind: 'again', afterMs: 500, why: health.detail };
  }

  /** The cluster exists already, and by its CA this is another one: nobody knows it, and it goes. */
  private async bootstrapOrYield(spec: K3sSpec, binary: string): Promise<Round | undefined> {
    try {
      await this.bootstrap(spec, binary);
      return undefined;
    } catch (error) {
      if (!(error instanceof PhaseRefused) || error.code !== 'bootstrap_conflict') throw error;
      await this.data.yieldTo(spec);
      return { kind: 'again', afterMs: 0, why: 'joins the cluster that exists' };
    }
  }

  private async bootstrap(spec: K3sSpec, binary: string): Promise<void> {
    const { ports, paths, phases } = this.deps;
    const text = async (path: string) => (await ports.files.read(path))?.toString('utf8').trim();
    const [kubeconfig, serverToken, agentToken, caPem] = [
      await text(paths.kubeconfig),
      await text(paths.nodeToken),
      await text(paths.agentToken),
      await text(paths.serverCa),
    ];
    if (kubeconfig === undefined || serverToken === undefined)
      throw new Error('k3s is ready but wrote no kubeconfig or node token');
    const version = await k3sVersion(ports, binary);
    const ack = await this.report(spec, Phase.PHASE_BOOTSTRAP, {
      kubeconfig,
      serverToken,
      agentToken: agentToken ?? '',
      caPem: caPem ?? '',
      version,
      clusterId: spec.cluster_id ?? '',
    });
    await failpoint('agent.k3s_bootstrapped');
    await phases.set(spec.assignment_id, { bootstrapped: true, clusterId: ack.clusterId });
  }

  /** A phase that must be acknowledged now; `retry_after` counts as a failure of this round. */
  private async report(
    spec: K3sSpec,
    phase: agentV1.Phase,
    fields: Partial<agentV1.ReportPhaseRequest>,
  ): Promise<agentV1.PhaseAck> {
    const answer = await this.send(spec, phase, fields);
    if (answer.kind === 'later') throw new Error(`the platform asks to repeat this in ${answer.afterMs} ms`);
    return answer.ack;
  }

  private async send(
    spec: K3sSpec,
    phase: agentV1.Phase,
    fields: Partial<agentV1.ReportPhaseRequest>,
    salt = '',
  ): Promise<{ kind: 'ack'; ack: agentV1.PhaseAck } | { kind: 'later'; afterMs: number }> {
    const { life } = this.deps.phases.get(spec.assignment_id);
    // The same content always has the same id, so a repeat after a lost answer is recognised as one.
    const digest = sha256Hex(`${JSON.stringify(fields)}${salt}`);
    const requestId = deterministicUuid('phase', spec.assignment_id, life, phase, digest);
    const runtime = spec.kind === 'k3s_server' ? Runtime.RUNTIME_K3S_SERVER : Runtime.RUNTIME_K3S_AGENT;
    const base = agentV1.ReportPhaseRequest.fromPartial({ clusterId: spec.cluster_id ?? '', ...fields });
    const { result } = await this.deps.report({ ...base, requestId, runtime, phase, nodeName: spec.node_name });
    if (result?.$case === 'ack') return { kind: 'ack', ack: result.value };
    if (result?.$case === 'retryAfterMs') return { kind: 'later', afterMs: result.value };
    if (result?.$case === 'refusal')
      throw new PhaseRefused(
        result.value.code,
        `${result.value.code}: ${result.value.message}${result.value.hint ? ` (${result.value.hint})` : ''}`,
      );
    throw new Error(`the platform gave no answer to ${Phase[phase]}`);
  }
}

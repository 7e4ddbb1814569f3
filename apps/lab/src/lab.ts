import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { AgentProcess, type AgentOptions } from './agent-process.js';
import { Device } from './device/device.js';
import { detectNetwork, type Network } from './level.js';
import { Base, GATEWAY_V4, GATEWAY_V6, Host } from './namespace.js';
import { NoSuchMachine, serveProvisioner, type ProvisionRequest } from './provisioner.js';
import { Relay } from './relay.js';
import {
  createRunDir,
  describeProcess,
  endProcesses,
  removeLeftovers,
  removeRunDir,
  saveState,
  type RunState,
} from './run-state.js';
import { start, type Output } from './processes.js';

export interface LabOptions {
  readonly hosts: readonly string[];
  /** Ports of the platform on 127.0.0.1; hosts reach the same numbers on GATEWAY_V4. */
  readonly platformPorts: readonly number[];
  /** The compiled repository (its root, with dist/ below). */
  readonly root: string;
  readonly k3sBin?: string;
  /** Environment of the agents and so of their k3s, e.g. the stand-in's knobs. */
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** How long a machine whose instance is over is kept for its agent to leave it clean. */
  readonly graceMs?: number;
}

const WORKSTATION = 'workstation';

/** Machines as namespaces on this one, each with a real agent when asked for, and the operator's workstation. */
export class Lab {
  readonly hosts = new Map<string, Host>();
  readonly agents = new Map<string, AgentProcess>();
  private readonly children: ChildProcess[] = [];
  private readonly indices = new Map<string, number>();
  private device: Device | undefined;
  private ended = false;

  private constructor(
    readonly id: string,
    readonly dir: string,
    readonly network: Network,
    private readonly base: Base,
    private readonly relay: Relay,
    private readonly options: LabOptions,
    private readonly environment: Record<string, Record<string, string>>,
  ) {}

  private provisioner: Server | undefined;
  private platform: RunState['platform'];

  static async create(options: LabOptions): Promise<Lab> {
    removeLeftovers();
    const network = detectNetwork();
    if (network.level === 'in-process') throw new Error(`no lab on this machine; missing: ${network.missing}`);
    const id = randomBytes(4).toString('hex');
    const dir = createRunDir(id);
    // Whoever ends it from now on, the next lab finds whose it was and removes it.
    const owned = { owner: describeProcess(process.pid), folder: options.root, level: network.level };
    saveState({ id, ...owned, ports: [...options.platformPorts], base: null, hosts: {}, others: [], env: {} });
    try {
      for (const folder of ['logs', 'tokens', 'kube']) mkdirSync(join(dir, folder), { mode: 0o700 });
      const base = await Base.create(dir, network.level !== 'root');
      const relay = await Relay.open(base, options.platformPorts, options.root);
      const environment = { [WORKSTATION]: { KUBECONFIG: join(dir, 'kube/k3s.yaml') } };
      return await new Lab(id, dir, network, base, relay, options, environment).open();
    } catch (cause) {
      // What it started dies with this process; its files would stay.
      removeRunDir(id);
      throw cause;
    }
  }

  private async open(): Promise<this> {
    this.save();
    try {
      this.provisioner = await serveProvisioner(this.provisionerSocket, {
        provision: (request) => this.provision(request),
        terminate: (instanceId) => this.terminate(instanceId),
      });
      for (const name of [...this.options.hosts, WORKSTATION]) await this.addHost(name);
      return this;
    } catch (cause) {
      await this.destroy();
      throw cause;
    }
  }

  get provisionerSocket(): string {
    return join(this.dir, 'provisioner.sock');
  }
  /** The K3s that its machines install. */
  get k3sBin(): string {
    return this.options.k3sBin ?? process.env['DROVER_K3S_BIN'] ?? join(this.options.root, 'dist/doubles/k3s');
  }
  get kubeconfig(): string {
    return join(this.dir, 'kube/k3s.yaml');
  }

  /** Boots a machine; one that was killed comes back with its old disk and addresses. */
  async addHost(name: string): Promise<Host> {
    const index = this.indices.get(name) ?? this.indices.size + 1;
    this.indices.set(name, index);
    const host = this.hosts.get(name) ?? new Host(this.base, name, index, this.plainRoutes);
    this.hosts.set(name, host);
    await host.boot();
    this.save();
    const agent = this.agents.get(name);
    if (agent !== undefined) await agent.start();
    return host;
  }

  host(name: string): Host {
    const found = this.hosts.get(name);
    if (found === undefined)
      throw new NoSuchMachine(`no machine is called ${name}; there are ${[...this.hosts.keys()].join(', ')}`);
    return found;
  }
  agent(name: string): AgentProcess {
    const found = this.agents.get(name);
    if (found === undefined) throw new NoSuchMachine(`no agent runs on ${name}`);
    return found;
  }

  exec(name: string, argv: readonly string[]): Promise<Output> {
    return this.host(name).exec(argv, this.environment[name]);
  }

  spawn(name: string, argv: readonly string[]): ChildProcess {
    const child = start(this.host(name).wrap(argv), ['pipe', 'pipe', 'pipe'], this.environment[name]);
    this.children.push(child);
    return child;
  }

  /** Every process on the machine, agent and k3s included, dies at once. */
  async kill9Host(name: string): Promise<void> {
    this.agents.get(name)?.forget();
    await this.host(name).kill9();
    this.save();
  }

  /** The machine is killed and comes back with an empty disk: no agent runs on it until it is provisioned again. */
  async reinstall(name: string): Promise<void> {
    await this.kill9Host(name);
    this.agents.delete(name);
    await this.base.exec(['rm', '-rf', join(this.dir, 'disks', name)]);
    await this.addHost(name);
  }

  /** The operator's device: its own key, an access grant, and the feed of changes. */
  async joinWorkstation(bootstrapUrl: string): Promise<Device> {
    this.device = await Device.join(this, WORKSTATION, bootstrapUrl, this.options.root);
    return this.device;
  }

  get root(): string {
    return this.options.root;
  }

  /** Tells other terminals of this user which platform the machines belong to. */
  announce(platform: NonNullable<RunState['platform']>): void {
    this.platform = platform;
    this.save();
  }

  /** How hosts reach the platform's HTTP port. */
  publicUrl(httpPort: number): string {
    return `http://${this.plainRoutes ? `[${GATEWAY_V6}]` : GATEWAY_V4}:${httpPort}`;
  }

  get plainRoutes(): boolean {
    return !this.network.encrypted;
  }

  private async provision(request: ProvisionRequest): Promise<void> {
    const host = this.host(request.name);
    const known = this.agents.get(request.name);
    if (known?.instanceId === request.instance_id) return;
    if (known !== undefined) await known.kill9();
    const agent = new AgentProcess(host, this.agentOptions(), request.instance_id, {
      token: request.join.token,
      enrollAddress: request.join.enroll_address,
      caPin: request.join.ca_pin,
    });
    this.agents.set(request.name, agent);
    await agent.start();
  }

  /** The machine goes away with its disk, as a cloud's would. */
  private async terminate(instanceId: string): Promise<void> {
    for (const [name, agent] of this.agents) {
      if (agent.instanceId !== instanceId) continue;
      if (this.options.graceMs !== undefined) await agent.leaves(this.options.graceMs);
      // Who asked may have asked again meanwhile.
      if (this.agents.get(name) !== agent) continue;
      agent.forget();
      this.agents.delete(name);
      await this.reinstall(name);
    }
  }

  private agentOptions(): AgentOptions {
    const { root } = this.options;
    const single = join(root, 'dist-agent/drover-agent');
    const main = join(root, 'dist/agent/src/main.js');
    const useSingle = process.env['DROVER_LAB_AGENT'] === 'single' && existsSync(single);
    return {
      agentMain: useSingle ? [single] : [process.execPath, '--disable-warning=ExperimentalWarning', main],
      k3sBin: this.k3sBin,
      plainRoutes: this.plainRoutes,
      dir: this.dir,
      env: this.options.agentEnv ?? {},
    };
  }

  private save(): void {
    saveState(this.state());
  }

  private state(): RunState {
    const up = [...this.hosts].filter(([, host]) => host.up);
    return {
      id: this.id,
      owner: describeProcess(process.pid),
      folder: this.options.root,
      ports: [...this.options.platformPorts],
      level: this.network.level,
      base: describeProcess(this.base.pid),
      hosts: Object.fromEntries(up.map(([name, host]) => [name, describeProcess(host.pid)])),
      others: [this.relay.child, ...this.children]
        .filter((c) => c.pid !== undefined)
        .map((c) => describeProcess(c.pid!)),
      env: this.environment,
      ...(this.platform === undefined ? {} : { platform: this.platform }),
    };
  }

  /** Ends everything that this lab started and removes its files. Safe to call twice. */
  async destroy(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    for (const agent of this.agents.values()) agent.forget();
    this.provisioner?.close();
    const state = this.state();
    for (const host of this.hosts.values()) await host.kill9();
    this.relay.close();
    endProcesses(state);
    removeRunDir(this.id);
  }
}

export const createLab = (options: LabOptions): Promise<Lab> => Lab.create(options);

import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager, ServiceSpec } from '../services/service-manager.js';

/** Where Debian's package has the daemons; they are not on anybody's PATH. */
const BIN = '/usr/lib/frr';
export const FRR_PACKAGE = 'frr';
const USER = 'frr';
/** Sockets have short paths, and their folders belong to the daemons' user, who may not look into the agent's state. */
const RUN = '/run/drover-frr';

export interface BgpdSpec {
  readonly handle: string;
  readonly address: string;
  readonly port: number;
  readonly config: string;
}

interface DaemonPorts {
  readonly files: AgentPorts['files'];
  readonly processes: AgentPorts['processes'];
  readonly log: AgentPorts['log'];
}

/**
 * FRR on this node: one zebra and one bfdd for all networks (two bfdd cannot have the same UDP ports), one bgpd for each. The
 * kernel's routes are the agent's alone: `-l` keeps a bgpd from installing any, so a node on which an operator runs FRR for
 * other purposes keeps its own. Nothing listens but on an overlay address (BGP) and for BFD; there is no terminal port.
 */
export class FrrDaemons {
  private readonly dir: string;

  constructor(
    private readonly ports: DaemonPorts,
    private readonly services: ServiceManager,
    private readonly stateDir: string,
  ) {
    this.dir = join(RUN, sha256Hex(stateDir).slice(0, 8));
  }

  /** E.g. `8.4.4`; undefined when the package is not there. */
  async version(): Promise<string | undefined> {
    for (const daemon of ['zebra', 'bfdd', 'bgpd']) {
      const { code, stdout } = await this.ports.processes.run(join(BIN, daemon), ['--version']);
      if (code !== 0) return undefined;
      if (daemon === 'bgpd') return /version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
    }
    return undefined;
  }

  bgpdSocket(handle: string): string {
    return join(this.folder(handle), 'bgpd.vty');
  }
  get bfddSocket(): string {
    return join(this.folder('node'), 'bfdd.vty');
  }

  /** Idempotent. The configuration is what a daemon starts with; a running one is told of changes by its socket. */
  async ensure(bgpd: BgpdSpec, bfddConfig: string): Promise<void> {
    const node = await this.makeFolder('node');
    const network = await this.makeFolder(bgpd.handle);
    const zserv = join(node, 'zserv.api');
    // Routes that are not zebra's own stay when it ends (-r); without bgpd's it has none of its own.
    await this.run('zebra', node, 'zebra', ['-r', '-z', zserv], '!\n');
    await this.run('bfdd', node, 'bfdd', ['-z', zserv, '--bfdctl', join(node, 'bfdd.sock')], bfddConfig);
    const listen = ['-l', bgpd.address, '-p', String(bgpd.port)];
    await this.run(`bgpd-${bgpd.handle}`, network, 'bgpd', ['-z', zserv, ...listen], bgpd.config);
  }

  async saveConfig(handle: string, config: string): Promise<void> {
    await this.writeConfig(join(this.folder(handle), 'bgpd.conf'), config);
  }

  async stopBgpd(handle: string): Promise<void> {
    await this.services.stop(serviceName(`bgpd-${handle}`));
    await this.ports.files.removeTree(this.folder(handle));
  }

  async stopShared(): Promise<void> {
    for (const daemon of ['bfdd', 'zebra']) await this.services.stop(serviceName(daemon));
    await this.ports.files.removeTree(this.dir);
  }

  /** Why a network's daemons are not all there; empty when they are. */
  async trouble(handle: string): Promise<string> {
    for (const name of ['zebra', 'bfdd', `bgpd-${handle}`]) {
      const { running, detail } = await this.services.status(serviceName(name));
      if (!running) return `${name}: ${detail}`;
    }
    return '';
  }

  private folder(name: string): string {
    return join(this.dir, name);
  }

  private async makeFolder(name: string): Promise<string> {
    const path = this.folder(name);
    await this.install(['-d', '-o', 'root', '-g', 'root', '-m', '0755', RUN, this.dir]);
    await this.install(['-d', '-o', USER, '-g', USER, '-m', '0750', path]);
    return path;
  }

  private async run(
    name: string,
    folder: string,
    daemon: string,
    more: readonly string[],
    config: string,
  ): Promise<void> {
    const file = join(folder, `${daemon}.conf`);
    await this.writeConfig(file, config);
    const own = ['-i', join(folder, `${daemon}.pid`), '-f', file, '--vty_socket', folder];
    const spec: ServiceSpec = {
      name: serviceName(name),
      description: `FRR's ${daemon} for Drover`,
      command: join(BIN, daemon),
      // -P 0: no terminal by TCP. The user is the package's; daemons keep only the capabilities they need.
      args: [...own, ...more, '-A', '::1', '-P', '0', '-u', USER, '-g', USER, '--log', 'stdout'],
      env: {},
      ready: 'running',
    };
    await this.launch(spec);
  }

  /** One that runs with other arguments (an earlier version of the agent started it) is started anew. */
  private async launch(spec: ServiceSpec): Promise<void> {
    const path = join(this.stateDir, 'frr', `${spec.name}.spec`);
    const digest = sha256Hex(JSON.stringify([spec.command, spec.args]));
    const same = (await this.ports.files.read(path))?.toString('utf8') === digest;
    if (same) return this.services.ensure(spec);
    this.ports.log.info({ service: spec.name }, 'routing daemon starts');
    await this.services.restart(spec);
    await this.ports.files.write(path, digest, 0o600);
  }

  private async writeConfig(path: string, text: string): Promise<void> {
    const draft = join(this.stateDir, 'frr', 'draft.conf');
    await this.ports.files.write(draft, text, 0o600);
    await this.install(['-o', 'root', '-g', USER, '-m', '0640', '-T', draft, path]);
  }

  private async install(args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.ports.processes.run('install', args);
    if (code !== 0) throw new Error(`install ${args.at(-1)}: ${stderr.trim()}`);
  }
}

const serviceName = (daemon: string): string => `drover-frr-${daemon}`;

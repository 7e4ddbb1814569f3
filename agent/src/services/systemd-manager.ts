import { join } from 'node:path';
import type { Files, Processes } from '../ports.js';
import type { ServiceManager, ServiceSpec, ServiceStatus } from './service-manager.js';

/** The first line of every file that the agent writes for systemd. */
export const MARK = '# written by drover-agent';

/** systemd gives a unit 90 s to end before it kills it: one that gives up earlier takes for stopped what is not. */
const STOP_BOUND_MS = 150_000;

/** Services as systemd units. Secrets are not in the unit but in a drop-in that the runtime driver writes, mode 0600. */
export class SystemdManager implements ServiceManager {
  readonly kind = 'systemd';

  constructor(
    private readonly ports: { files: Files; processes: Processes },
    private readonly unitFolder = '/etc/systemd/system',
  ) {}

  async ensure(spec: ServiceSpec): Promise<void> {
    await this.install(spec);
    await this.systemctl('enable', `${spec.name}.service`);
    await this.systemctl('start', '--no-block', `${spec.name}.service`);
  }

  async restart(spec: ServiceSpec): Promise<void> {
    await this.install(spec);
    await this.systemctl('enable', `${spec.name}.service`);
    await this.systemctl('restart', '--no-block', `${spec.name}.service`);
  }

  /** Only what was installed here: a unit that somebody else wrote runs somebody else's program. */
  async stop(name: string): Promise<void> {
    if ((await this.isOurs(this.unitPath(name))) !== true) return;
    const argv = ['disable', '--now', `${name}.service`];
    const result = await this.ports.processes.run('systemctl', argv, undefined, STOP_BOUND_MS);
    if (result.code !== 0) throw new Error(`systemctl ${argv.join(' ')} failed: ${result.stderr.trim()}`);
  }

  /** What an operator wrote stays: a unit that is theirs with all that belongs to it, and drop-ins of theirs beside ours. */
  async remove(name: string): Promise<readonly string[]> {
    const { files, processes } = this.ports;
    const path = this.unitPath(name);
    const unit = await this.isOurs(path);
    if (unit === false) return [path];
    if (unit) await this.stop(name);
    const folder = `${path}.d`;
    const left: string[] = [];
    for (const file of await files.list(folder)) {
      const dropIn = join(folder, file);
      if (await this.isOurs(dropIn)) await files.remove(dropIn);
      else left.push(dropIn);
    }
    await files.removeIfEmpty(folder);
    if (!unit) return left;
    await files.remove(path);
    await this.systemctl('daemon-reload');
    // One that had failed is listed until it is forgotten; one that had not is none, and that is no fault.
    await processes.run('systemctl', ['reset-failed', `${name}.service`]);
    return left;
  }

  async status(name: string): Promise<ServiceStatus> {
    const shown = await this.ports.processes.run('systemctl', [
      'show',
      `${name}.service`,
      '--property=ActiveState,SubState,Result',
    ]);
    const values = new Map(shown.stdout.split('\n').map((line) => line.split('=', 2) as [string, string]));
    const state = values.get('ActiveState') ?? 'unknown';
    const detail = `${state} (${values.get('SubState') ?? ''}, ${values.get('Result') ?? ''})`;
    // Between two tries it counts as activating, for ever, though nothing runs.
    const restarts = values.get('SubState')?.startsWith('auto-restart') === true;
    const running = ['active', 'activating', 'reloading'].includes(state) && !restarts;
    return { running, ended: ['inactive', 'failed'].includes(state), detail };
  }

  async said(name: string): Promise<string> {
    const argv = ['--unit', `${name}.service`, '--lines', '300', '--output', 'cat', '--no-pager', '--quiet'];
    return (await this.ports.processes.run('journalctl', argv)).stdout;
  }

  release(): void {
    // systemd goes on supervising.
  }

  private async install(spec: ServiceSpec): Promise<void> {
    const unit = unitText(spec);
    const path = this.unitPath(spec.name);
    const there = (await this.ports.files.read(path))?.toString('utf8');
    if (there !== undefined && !there.startsWith(MARK))
      throw new Error(
        `${path} was not written by drover-agent, and is left alone: move it away to let Drover run its own`,
      );
    if (there !== unit) await this.ports.files.write(path, unit, 0o644);
    // Also picks up a changed drop-in.
    await this.systemctl('daemon-reload');
  }

  private async systemctl(...args: readonly string[]): Promise<void> {
    const result = await this.ports.processes.run('systemctl', args);
    if (result.code !== 0) throw new Error(`systemctl ${args.join(' ')} failed: ${result.stderr.trim()}`);
  }

  /** Undefined when there is no such file. */
  private async isOurs(path: string): Promise<boolean | undefined> {
    return (await this.ports.files.read(path))?.toString('utf8').startsWith(MARK);
  }

  private unitPath(name: string): string {
    return join(this.unitFolder, `${name}.service`);
  }
}

const quote = (word: string): string =>
  `"${word.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;

/** K3s's own unit, as its installer writes it, with our command line. */
export const unitText = (spec: ServiceSpec): string => `${MARK}
[Unit]
Description=${spec.description}
Wants=network-online.target
After=network-online.target

[Service]
Type=${spec.ready === 'running' ? 'exec' : 'notify'}
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=${[spec.command, ...spec.args].map(quote).join(' ')}

[Install]
WantedBy=multi-user.target
`;

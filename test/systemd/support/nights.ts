import { until, type Machine } from './machine.js';
import type { Units } from './units.js';

/** What wakes an operator, on a worker that has a K3s: what is said of it, once, with what to do; and that it is over. */
export class Nights {
  constructor(
    private readonly platform: Machine,
    private readonly units: Units,
    private readonly name: string,
  ) {}

  /** Its agent is masked and stopped; nobody misses K3s, which goes on. */
  async agentIsMasked(): Promise<void> {
    this.sh('systemctl mask --runtime drover-agent && systemctl stop drover-agent');
    await this.says(/now lost since .*next on the machine.*systemctl unmask/);
    this.sh('systemctl is-active k3s-agent');
  }

  /** A disk of fixed size below the agent, so full that it could not write a single byte; it is started on it. */
  async diskIsFull(): Promise<void> {
    this.sh(`cd /var/lib && cp -a drover-agent kept && mount -t tmpfs -o size=20m,mode=0700 tmpfs drover-agent
      cp -a kept/. drover-agent/ && ! cat /dev/zero >drover-agent/fill 2>/dev/null`);
    const before = this.sh('cd /var/lib/drover-agent && cat starts desired.json phases.json identity.json');
    const count = this.notReady();
    this.sh('systemctl unmask --runtime drover-agent && systemctl start drover-agent');
    await this.says(/now running since .*the disk of \/var\/lib\/drover-agent is full.*make room.*next put/);
    const agent = this.units.property('drover-agent', 'MainPID');
    await this.isTriedAgain('cannot cache the desired state', 3);
    this.same(this.sh('cd /var/lib/drover-agent && cat starts desired.json phases.json identity.json'), before);
    this.same(this.sh('ls /var/lib/drover-agent | grep -c tmp || true'), '0\n');
    this.sh('rm /var/lib/drover-agent/fill');
    await this.isWell();
    this.same(this.notReady() - count, 1);
    this.same(this.units.property('drover-agent', 'MainPID'), agent);
    // It was started while there was no room for its pid; an agent that did not know it could not end it.
    const isKnown = () =>
      this.units.machine.run('sh', '-c', 'kill -0 $(cut -d" " -f1 /var/lib/drover-agent/wireguard/*.pid)').code === 0;
    await until('the pid of wireguard-go is written down', isKnown, this.units.told('drover-agent'));
    this.sh(`systemctl stop drover-agent && cd /var/lib && cp -a drover-agent/. kept/ && umount -l drover-agent
      rm -r drover-agent && mv kept drover-agent && systemctl start drover-agent`);
    await this.isWell();
  }

  /** It ends as soon as systemd starts it, again and again. */
  async k3sStaysDead(): Promise<void> {
    const count = this.notReady();
    const dropIn = '/etc/systemd/system/k3s-agent.service.d/broken.conf';
    this.sh(`printf '[Service]\\nExecStartPre=/bin/false\\n' >${dropIn} && systemctl daemon-reload
      systemctl kill --kill-whom=main -s KILL k3s-agent`);
    await this.says(/cause k3s-agent degraded since .*k3s-agent does not run.*journalctl -u k3s-agent.*next put right/);
    // systemd tries it meanwhile, and the agent looks.
    const tries = () => Number(this.units.property('k3s-agent', 'NRestarts'));
    const first = tries();
    await until('systemd has tried it thrice', () => tries() >= first + 3, this.units.told('k3s-agent'));
    this.same(this.notReady() - count, 1);
    this.sh(`rm ${dropIn} && systemctl daemon-reload && systemctl restart --no-block k3s-agent`);
    await this.isWell();
    this.same(this.notReady() - count, 1);
  }

  private async isWell(): Promise<void> {
    await this.says(/now running since \S+$/);
    const isReady = () =>
      new RegExp(`${this.name} +ready `).test(this.platform.run('drover', 'cluster', 'nodes', 'k3s-cluster-1').out);
    await until(`${this.name} is ready`, isReady, this.units.told('drover-agent', 'k3s-agent'));
  }

  /** Of `drover why` what is said first. */
  private says(what: RegExp): Promise<void> {
    const said = () => {
      const [, now = ''] = this.platform.run('drover', 'why', this.name).out.split('\n\n');
      return now.replaceAll(/\s+/g, ' ').trim();
    };
    return until(
      `drover why says ${what}`,
      () => what.test(said()),
      () => `${said()}\n${this.units.told('drover-agent')()}`,
    );
  }

  private isTriedAgain(what: string, times: number): Promise<void> {
    const tries = () => this.units.journal('drover-agent').split(what).length - 1;
    return until(`${what}, ${times} times`, () => tries() >= times, this.units.told('drover-agent'));
  }

  private notReady(): number {
    const args = ['event', 'list', 'kind_prefix=system.k3s.node.not_ready', 'limit=100', '--json'];
    return this.platform.ok('drover', ...args).split('"system.k3s.node.not_ready"').length - 1;
  }

  private sh(script: string): string {
    return this.units.machine.ok('sh', '-euc', script);
  }

  private same<T>(is: T, wanted: T): void {
    if (is !== wanted) throw new Error(`is ${String(is)}, not ${String(wanted)}\n${this.units.told('drover-agent')()}`);
  }
}

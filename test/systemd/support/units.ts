import { until, type Machine } from './machine.js';

const GET = `fetch("http://127.0.0.1:8080"+process.argv[1]).then(async r=>console.log(r.status,await r.text()),e=>console.log(e.message))`;

/** What a host's systemd knows of its units. */
export class Units {
  constructor(readonly machine: Machine) {}

  /** What a unit has said. */
  journal(unit: string): string {
    return this.machine.ok('journalctl', '-u', unit, '--no-pager', '-o', 'cat');
  }

  /** For a failure: the last words of the units. */
  told(...units: readonly string[]): () => string {
    const last = (unit: string) =>
      this.machine.run('journalctl', '-u', unit, '-n', '20', '--no-pager', '-o', 'short').out.slice(-4_000);
    return () => units.map(last).join('\n');
  }

  property(unit: string, name: string): string {
    return this.machine.ok('systemctl', 'show', unit, '--property', name, '--value').trim();
  }

  settings(path: string, lines: readonly string[]): void {
    this.machine.ok('sh', '-c', `path=$1; shift; printf '%s\\n' "$@" >"$path"`, 'sh', path, ...lines);
  }

  /** Killed hard; systemd has it back as another process. */
  async killed(unit: string): Promise<void> {
    const before = this.property(unit, 'MainPID');
    this.machine.ok('systemctl', 'kill', '--kill-whom=main', '-s', 'KILL', unit);
    const isBack = () =>
      this.property(unit, 'ActiveState') === 'active' && !['0', before].includes(this.property(unit, 'MainPID'));
    await until(`${unit} is back`, isBack, this.told(unit));
  }

  /** Status and body of the platform's answer, on this machine. */
  get(path: string): string {
    return this.machine.run('/opt/node', '-e', GET, path).out;
  }
}

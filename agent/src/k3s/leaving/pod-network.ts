import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Files, Processes } from '../../ports.js';
import { removeAround } from './mounts.js';
import { withoutK3s } from './packet-rules.js';

/** What flannel and kube-proxy make, as k3s-killall.sh lists it. */
const LINKS = ['cni0', 'flannel.1', 'flannel-v6.1', 'kube-ipvs0', 'flannel-wg', 'flannel-wg-v6'];
const TABLES = ['ip kube-proxy', 'ip6 kube-proxy', 'ip flannel-ipv4', 'ip6 flannel-ipv6'];
/** Of kube-proxy and of K3s's network policies. */
const SETS = /^(inet6:)?KUBE-/;
const linksSchema = z.array(
  z.object({
    ifname: z.string().optional(),
    master: z.string().optional(),
    /** Where the other end is: its name, or a number that `ip netns list` has the name of. */
    link_netns: z.string().optional(),
    link_netnsid: z.number().optional(),
  }),
);
const resultSchema = z.object({ netns: z.string() });
/** The name of the CNI network that K3s's flannel has. */
const NETWORK = 'cbr0';

interface Ports {
  readonly files: Files;
  readonly processes: Processes;
}

/** K3s's share of this machine's network. What is not there any more is no fault: any of this may be done again. */
export class PodNetwork {
  constructor(
    private readonly ports: Ports,
    private readonly paths: { readonly root: string; readonly dataDir: string },
  ) {}

  /** Other engines name theirs alike: only those that hang on K3s's bridge, or that its CNI wrote down. */
  async removeNamespaces(): Promise<number> {
    const listing = (await this.tell('ip', 'netns', 'list')).split('\n');
    const byId = new Map(
      listing.flatMap((line) => {
        const found = /^(\S+) \(id: (\d+)\)/.exec(line);
        return found === null ? [] : [[Number(found[2]), found[1]!] as const];
      }),
    );
    const bridged = (await this.links())
      .filter(({ master }) => master === 'cni0')
      .map(
        ({ link_netns, link_netnsid }) =>
          link_netns ?? (link_netnsid === undefined ? undefined : byId.get(link_netnsid)),
      );
    const noted = await Promise.all((await this.results()).map((path) => this.namespaceOf(path)));
    const there = listing.map((line) => line.split(' ')[0]!);
    const wanted = new Set([...bridged, ...noted].filter((name) => name !== undefined && name.startsWith('cni-')));
    const gone = there.filter((name) => wanted.has(name));
    for (const name of gone) await this.tell('ip', 'netns', 'delete', name);
    return gone.length;
  }

  async removeLinks(): Promise<readonly string[]> {
    const there = (await this.links()).filter(
      ({ ifname, master }) => ifname !== undefined && (LINKS.includes(ifname) || master === 'cni0'),
    );
    const names = there.map(({ ifname }) => ifname!);
    // One end of a pair takes the other along.
    for (const name of names)
      if ((await this.links()).some(({ ifname }) => ifname === name)) await this.tell('ip', 'link', 'delete', name);
    return names.filter((name) => LINKS.includes(name));
  }

  /**
   * Both families of iptables, in the kernel's old tables and in nftables: which of them K3s wrote to is not what `iptables` means
   * here now. Then the tables of their own that kube-proxy and flannel make in nftables mode. One that fails keeps none from going.
   */
  async removeRules(): Promise<boolean> {
    const failed: string[] = [];
    let found = false;
    for (const family of ['iptables', 'ip6tables'])
      for (const program of this.programsFor(family)) {
        const { code, stdout } = await this.ports.processes.run(`${program}-save`, []);
        const change = code === 0 ? withoutK3s(stdout) : undefined;
        if (change === undefined) continue;
        found = true;
        // Another program may be changing the old tables just now.
        const done = await this.ports.processes.run(`${program}-restore`, ['--noflush', '--wait=10'], change);
        if (done.code !== 0) failed.push(`${program}-restore: ${done.stderr.trim()}`);
      }
    const inTables = await this.removeTables();
    if (failed.length > 0) throw new Error(failed.join('; '));
    return found || inTables;
  }

  private async removeTables(): Promise<boolean> {
    let found = false;
    const tables = await this.ports.processes.run('nft', ['list', 'tables']);
    const there = tables.code === 0 ? tables.stdout : '';
    for (const table of TABLES.filter((name) => there.split('\n').includes(`table ${name}`))) {
      found = true;
      await this.tell('nft', 'delete', 'table', ...table.split(' '));
    }
    return found;
  }

  /** After the rules that ask them; one that is in another goes once that one is gone. */
  async removeSets(): Promise<number> {
    const own = join(this.paths.dataDir, 'data/current/bin/aux/ipset');
    for (const program of ['ipset', own]) {
      const { code, stdout } = await this.ports.processes.run(program, ['list', '-n']);
      if (code !== 0) continue;
      const found = stdout.split('\n').filter((name) => SETS.test(name));
      let left = found;
      for (let before = Infinity; left.length > 0 && left.length < before;) {
        before = left.length;
        const still: string[] = [];
        for (const name of left)
          if ((await this.ports.processes.run(program, ['destroy', name])).code !== 0) still.push(name);
        left = still;
      }
      if (left.length > 0) throw new Error(`in use: ${left.join(', ')}`);
      return found.length;
    }
    return 0;
  }

  /** What the CNI's plugins wrote down of K3s's network, and of no other. */
  async removeNotes(): Promise<readonly string[]> {
    const { files } = this.ports;
    const folder = join(this.paths.root, 'var/lib/cni');
    for (const path of await this.results()) await files.remove(path);
    const { root } = this.paths;
    const trees = [join(folder, 'networks', NETWORK), join(folder, 'flannel')];
    const left = [];
    for (const path of trees) left.push(...(await removeAround(files, root, path)));
    for (const name of ['results', 'networks', 'cache/results', 'cache', ''])
      await files.removeIfEmpty(join(folder, name));
    return left;
  }

  private async results(): Promise<readonly string[]> {
    const folders = ['results', 'cache/results'].map((name) => join(this.paths.root, 'var/lib/cni', name));
    const lists = await Promise.all(
      folders.map(async (folder) => (await this.ports.files.list(folder)).map((name) => join(folder, name))),
    );
    return lists.flat().filter((path) => basename(path).startsWith(`${NETWORK}-`));
  }

  private async namespaceOf(result: string): Promise<string | undefined> {
    try {
      const text = (await this.ports.files.read(result))?.toString('utf8') ?? '';
      return basename(resultSchema.parse(JSON.parse(text)).netns);
    } catch {
      // Cut off while it was written: the bridge names this namespace as well.
      return undefined;
    }
  }

  private async links() {
    const text = (await this.tell('ip', '-j', '-d', 'link', 'show')).trim();
    return linksSchema.parse(JSON.parse(text === '' ? '[]' : text));
  }

  /** The machine's own, and those that K3s brings along: the rules were made with any of them. */
  private programsFor(family: string): readonly string[] {
    const own = join(this.paths.dataDir, 'data/current/bin/aux', family);
    return [family, `${family}-legacy`, `${family}-nft`, own];
  }

  private async tell(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.ports.processes.run(command, args);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
    return stdout;
  }
}

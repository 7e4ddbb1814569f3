import { errorMessage } from '#kernel';
import { agentV1, type BgpItem, type VipItem } from '#proto';
import { canonicalAddress } from '../network/cidr.js';
import type { NetworkSection } from '../network/compose.js';
import type { AgentPorts } from '../ports.js';
import { configDiff, configOf, configText, parseRunning, typed, type Config } from './config.js';
import type { FrrDaemons } from './daemons.js';
import { parseBfd, parseRoutes, parseSummary, type Session } from './reading.js';
import type { Vty, VtyConnection } from './vty.js';
import { forgotten, localPrefOf, nextWord, silentWord, type Word } from './word.js';

/** How often a configuration that nobody changed is looked at all the same. */
const LOOK_MS = 5_000;
/** How often all paths are read although no best one has changed: what a better-looking lie stands before changes unseen. */
const READ_MS = 3_000;
const BFD_MS = 2_000;
/** A daemon that was killed is back sooner; beyond, the platform is told. */
const TROUBLE_MS = 10_000;

export interface FrrDeps {
  readonly ports: Pick<AgentPorts, 'clock' | 'log'>;
  readonly daemons: FrrDaemons;
  readonly vty: Vty;
  /** The virtual IPs that this node holds now. */
  held(networkId: string): readonly VipItem[];
}

export interface Wanted {
  readonly section: NetworkSection;
  readonly item: BgpItem;
  readonly handle: string;
}

/** The routing daemon of one network: told what to say, asked what it hears. Calls come one after the other. */
export class FrrNetwork {
  word: Word = silentWord;
  /** How long the last look at the daemon took. */
  listenedMs = 0;
  private connection: VtyConnection | undefined;
  private bfdd: VtyConnection | undefined;
  private applied: string | undefined;
  private saved: string | undefined;
  private lookedMs = 0;
  private sessions: readonly Session[] = [];
  private bfd: ReadonlyMap<string, string> = new Map();
  private bfdMs = Number.NEGATIVE_INFINITY;
  private heard = '';
  private readMs = Number.NEGATIVE_INFINITY;
  /** The section that `word` was made with. */
  private section: NetworkSection | undefined;
  private troubleSinceMs: number | undefined;
  private trouble = '';

  constructor(
    private readonly deps: FrrDeps,
    public wanted: Wanted,
  ) {}

  /** When what was learned has changed: the virtual IPs that are elsewhere now. */
  async step(): Promise<readonly string[] | undefined> {
    try {
      await this.converge();
      const { clock } = this.deps.ports;
      const from = clock.monotonicMs();
      const news = await this.listen();
      this.listenedMs = clock.monotonicMs() - from;
      this.troubleSinceMs = undefined;
      this.trouble = '';
      return news;
    } catch (error) {
      await this.stumbled(error);
      return undefined;
    }
  }

  /** What to tell the platform; `daemon` empty while none works. */
  report(version: string): agentV1.Routing {
    const { word } = this;
    const peerOf = new Map(this.wanted.item.neighbors.map((n) => [canonicalAddress(n.address), n.peer_id]));
    const epochs = new Map([...word.holders].map(([vip, { epoch }]) => [this.addressOf(vip), epoch]));
    const learned =
      (withdrawn: boolean) =>
      ([prefix, peerId]: readonly [string, string]) => {
        return { prefix, peerId, epoch: BigInt(epochs.get(prefix.split('/')[0]!) ?? 0), withdrawn };
      };
    return {
      daemon: this.trouble === '' ? `frr ${version}` : '',
      sessions: this.sessions.flatMap((s) => {
        const peerId = peerOf.get(s.address);
        if (peerId === undefined) return [];
        return [{ peerId, state: s.state, bfd: this.bfd.get(s.address) ?? '', prefixes: s.prefixes }];
      }),
      learned: [...[...word.learned].map(learned(false)), ...[...word.withdrawn].map(learned(true))].sort((a, b) =>
        a.prefix < b.prefix ? -1 : 1,
      ),
      error: this.trouble,
    };
  }

  /** Epochs of another platform's past say nothing any more. */
  forgetEpochs(): void {
    this.word = { ...this.word, holders: new Map() };
  }

  async close(): Promise<void> {
    this.disconnect('not wanted any more');
    await this.deps.daemons.stopBgpd(this.wanted.handle);
  }

  /** The agent ends, the daemons go on. */
  release(): void {
    this.disconnect('the agent ends');
  }

  private addressOf(vipId: string): string {
    const vip = this.wanted.item.virtual_ips.find((v) => v.vip_id === vipId);
    return vip === undefined ? '' : canonicalAddress(vip.address);
  }

  /** What the platform says, without virtual IPs: a daemon that starts by itself must not announce one. */
  private base(): string {
    return configText(configOf(this.wanted.item.bgpd));
  }

  private desired(): Config {
    const { item } = this.wanted;
    const family = [`router bgp ${item.asn}`, 'address-family ipv6 unicast'];
    const vips = [...this.deps.held(item.network_id)].sort((a, b) => (a.address < b.address ? -1 : 1));
    return configOf([
      ...vips.map(({ epoch }) => ({
        path: [`route-map overlay-vip-${epoch} permit 10`],
        lines: [`set local-preference ${localPrefOf(epoch)}`],
      })),
      ...item.bgpd,
      ...vips.map(({ address, epoch }) => ({
        path: family,
        lines: [`network ${canonicalAddress(address)}/128 route-map overlay-vip-${epoch}`],
      })),
    ]);
  }

  private async converge(): Promise<void> {
    const { daemons, ports } = this.deps;
    const base = this.base();
    if (this.saved !== base) {
      const { item, handle } = this.wanted;
      const bgpd = { handle, address: item.address, port: item.port, config: base };
      await daemons.ensure(bgpd, configText(configOf(item.bfdd)));
      this.saved = base;
    }
    if (this.connection === undefined) {
      this.connection = await this.deps.vty.connect(daemons.bgpdSocket(this.wanted.handle));
      await this.connection.ask('enable');
      this.applied = undefined;
    }
    const desired = this.desired();
    const text = configText(desired);
    if (this.applied === text && ports.clock.monotonicMs() - this.lookedMs < LOOK_MS) return;
    await this.apply(this.connection, desired);
    this.applied = text;
    this.lookedMs = ports.clock.monotonicMs();
  }

  private async apply(connection: VtyConnection, desired: Config): Promise<void> {
    const running = async () => parseRunning((await connection.ask('show running-config')).text);
    const commands = configDiff(await running(), desired);
    if (commands.length === 0) return;
    const complaints: string[] = [];
    for (const line of typed(commands)) {
      const { code, text } = await connection.ask(line);
      if (code !== 0) complaints.push(`${line}: ${text.trim() || `result ${code}`}`);
    }
    this.deps.ports.log.info(
      { network: this.wanted.item.network_id, changes: commands.map((c) => c.line) },
      'routing daemon told',
    );
    const [rest] = configDiff(await running(), desired);
    if (rest !== undefined)
      throw new Error(`bgpd does not take "${rest.line}": ${complaints.join('; ') || 'it says nothing'}`);
  }

  private async listen(): Promise<readonly string[] | undefined> {
    const connection = this.connection!;
    const summary = parseSummary((await connection.ask('show bgp summary json')).text);
    this.sessions = summary.sessions;
    await this.lookAtBfd();
    const settled = summary.sessions.some((s) => s.state === 'Established' && s.ageMs >= LOOK_MS * 2);
    const states = summary.sessions.map((s) => s.state).join();
    const heard = JSON.stringify([summary.version, settled, states]);
    const now = this.deps.ports.clock.monotonicMs();
    const isSame = heard === this.heard && this.section === this.wanted.section && now - this.readMs < READ_MS;
    if (isSame && this.word.missing.size === 0) return undefined;
    const routes = [];
    for (const family of ['ipv4', 'ipv6'])
      routes.push(...parseRoutes((await connection.ask(`show bgp ${family} unicast json`)).text));
    const before = this.word;
    const { section, item } = this.wanted;
    this.word = nextWord(before, section, item, { routes, sessions: summary.sessions }, now);
    this.heard = heard;
    this.readMs = now;
    this.section = section;
    if (JSON.stringify(shape(before)) === JSON.stringify(shape(this.word))) return undefined;
    return [...this.word.holders].filter(([id, now]) => before.holders.get(id) !== now).map(([id]) => id);
  }

  /** Without bfdd a session still ends by its timers: what is missing shows as an unknown state. */
  private async lookAtBfd(): Promise<void> {
    const now = this.deps.ports.clock.monotonicMs();
    if (now - this.bfdMs < BFD_MS) return;
    this.bfdMs = now;
    try {
      if (this.bfdd === undefined) {
        this.bfdd = await this.deps.vty.connect(this.deps.daemons.bfddSocket);
        await this.bfdd.ask('enable');
      }
      this.bfd = parseBfd((await this.bfdd.ask('show bfd peers json')).text);
    } catch (error) {
      this.deps.ports.log.debug({ error: errorMessage(error) }, 'bfdd does not answer');
      this.bfdd?.close();
      this.bfdd = undefined;
      this.bfd = new Map();
    }
  }

  private async stumbled(error: unknown): Promise<void> {
    const { clock, log } = this.deps.ports;
    const message = errorMessage(error);
    this.disconnect(message);
    this.troubleSinceMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - this.troubleSinceMs < TROUBLE_MS) return;
    const detail = await this.deps.daemons.trouble(this.wanted.handle).catch((e: unknown) => errorMessage(e));
    const trouble = detail === '' ? message : detail;
    if (trouble !== this.trouble)
      log.warn({ network: this.wanted.item.network_id, error: trouble }, 'no routing daemon; static routes go on');
    this.trouble = trouble;
  }

  private disconnect(reason: string): void {
    if (this.connection !== undefined)
      this.deps.ports.log.info({ network: this.wanted.item.network_id, reason }, 'not connected to bgpd');
    this.connection?.close();
    this.bfdd?.close();
    this.connection = undefined;
    this.bfdd = undefined;
    this.bfd = new Map();
    this.sessions = [];
    this.heard = '';
    this.saved = undefined;
    this.word = forgotten(this.word);
  }
}

/** What others act on. */
const shape = ({ withdrawn, gained, holders }: Word) => [[...withdrawn], [...gained], [...holders]];

import type { ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '#kernel';
import { sectionHash, type VipItem } from '#proto';
import { serializeDesired } from '../../../agent/src/session/desired-state.js';
import { certificateRequest } from '../../../agent/src/identity/csr.js';
import { certificatePem } from '../../../agent/src/identity/identity-store.js';
import { makeTestCa, type TestCa } from '../../../agent/src/testing/test-ca.js';
import { newPrivateKey, publicKeyOf } from '../../../agent/src/wireguard/keys.js';
import { AgentProcess } from '../../../apps/lab/src/agent-process.js';
import { Lab } from '../../../apps/lab/src/lab.js';
import { underlayOf } from '../../../apps/lab/src/namespace.js';
import { childrenOf, firstLine, signal, sleep, until } from '../../../apps/lab/src/processes.js';
import { undoLater } from './cleanup.js';

export const VIP = 'fd00:abcd:1::100';
export const LEASE = { beatMs: 200, ttlMs: 600 };
const SERVERS = ['s1', 's2', 's3'];
const CLIENT = 'client';
const PORT = 7_777;
const STATE = '/var/lib/drover-agent';

export interface Silence {
  /** Milliseconds from the signal to the last answer of each kind. */
  readonly ping: number;
  readonly echo: number;
  readonly push: number;
  /** Pings that were answered later than the bound asked for. */
  readonly lateAnswers: number;
}

interface Node {
  readonly name: string;
  readonly peerId: string;
  readonly address: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly endpoint: string;
}

/**
 * Agents without a platform: each starts from a cached desired state, as after a restart while the platform is away. The
 * three servers hold a lease among themselves, and nobody ever tells the client that its holder is stale.
 */
export class LoneAgents {
  private readonly undo: () => Promise<void>;

  private constructor(
    readonly lab: Lab,
    private readonly root: string,
    private readonly nodes: readonly Node[],
  ) {
    this.undo = undoLater(() => this.lab.destroy());
  }

  static async create(root: string): Promise<LoneAgents> {
    const lab = await Lab.create({ hosts: [...SERVERS, CLIENT], platformPorts: [7_443], root });
    const nodes = [...SERVERS, CLIENT].map((name, i): Node => {
      const privateKey = newPrivateKey(systemRandom);
      const address = `fd00:abcd:1::1:${i + 1}`;
      const endpoint = `[${underlayOf(lab.host(name).index).v6}]:51820`;
      return { name, peerId: `peer-${name}`, address, privateKey, publicKey: publicKeyOf(privateKey), endpoint };
    });
    const rig = new LoneAgents(lab, root, nodes);
    const ca = await makeTestCa();
    for (const node of nodes) await rig.startAgent(node, ca);
    const server = rig.spawnProbe('s1', 'serve', String(PORT));
    await firstLine(server, 'the stream server');
    await rig.answering();
    return rig;
  }

  get holder(): AgentProcess {
    return this.lab.agent('s1');
  }

  logOf(name: string): string {
    return readFileSync(this.lab.agent(name).logFile, 'utf8');
  }

  close(): Promise<void> {
    return this.undo();
  }

  async answering(): Promise<void> {
    const ping = ['ping', '-6', '-n', '-c1', '-W1', VIP];
    await until('the VIP answers', async () => (await this.lab.exec(CLIENT, ping)).code === 0, 30_000);
  }

  /** Stops or kills the holder's agent under traffic; answers for how long the stale holder went on delivering. */
  async silence(how: 'SIGSTOP' | 'SIGKILL', boundMs = LEASE.ttlMs): Promise<Silence> {
    const streams = this.spawnProbe(CLIENT, 'follow', VIP, String(PORT));
    await firstLine(streams, 'the streams');
    const ping = this.lab.spawn(CLIENT, ['ping', '-6', '-n', '-D', '-i', '0.01', VIP]);
    const [heard, told] = [collect(ping), collect(streams)];
    // Any phase of the beat: the sleep is not a multiple of it.
    await sleep(300 + Math.random() * LEASE.beatMs);
    const at = Date.now();
    if (how === 'SIGSTOP') this.holder.pause();
    else await this.holder.kill9();
    await sleep(LEASE.ttlMs + 600);
    for (const child of [ping, streams]) signal(childrenOf(child.pid!)[0] ?? child.pid!, 'SIGINT');
    const [pings, said] = await Promise.all([heard, told]);
    if (how === 'SIGSTOP') this.holder.resume();
    else await this.holder.start();
    const answers = [...pings.matchAll(/^\[(\d+\.\d+)\].*icmp_seq=\d+ ttl=/gm)].map((m) => Number(m[1]) * 1000);
    const last = JSON.parse(said.trim().split('\n').at(-1)!) as { echo: number; push: number };
    await this.answering();
    const lateAnswers = answers.filter((time) => time - at > boundMs).length;
    return { ping: Math.max(0, ...answers) - at, echo: last.echo - at, push: last.push - at, lateAnswers };
  }

  private spawnProbe(host: string, ...argv: string[]): ChildProcess {
    return this.lab.spawn(host, [
      process.execPath,
      join(this.root, 'dist/apps/lab/src/probes/streams-main.js'),
      ...argv,
    ]);
  }

  private async startAgent(node: Node, ca: TestCa): Promise<void> {
    const { lab } = this;
    const put = (path: string, text: string) =>
      lab.exec(node.name, ['sh', '-ec', `mkdir -p "$(dirname ${path})"; umask 077; printf %s '${text}' > ${path}`]);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const certificate = certificatePem(await ca.client(certificateRequest(privateKey, node.name), node.name));
    // Nobody listens there: the platform is away, from the start to the end.
    const identity = {
      instanceId: node.name,
      agentAddress: '127.0.0.1:9',
      keyPem,
      certificatePem: certificate,
      caPem: ca.pem,
    };
    await put(`${STATE}/identity.json`, JSON.stringify(identity));
    await put(`${STATE}/wireguard/net.key`, node.privateKey);
    await put(`${STATE}/desired.json`, this.desired(node));
    const options = {
      agentMain: [process.execPath, '--disable-warning=ExperimentalWarning', join(this.root, 'dist/agent/src/main.js')],
      k3sBin: '/nonexistent',
      plainRoutes: lab.plainRoutes,
      dir: lab.dir,
      env: {},
    };
    const offer = { token: '-', enrollAddress: '127.0.0.1:9', caPin: `sha256:${'0'.repeat(64)}` };
    const agent = new AgentProcess(lab.host(node.name), options, node.name, offer);
    lab.agents.set(node.name, agent);
    await agent.start();
  }

  private desired(self: Node): string {
    const others = this.nodes.filter((n) => n !== self);
    const items: [string, object][] = [
      ['interface', interfaceOf(self)],
      ['route/fd00:abcd:1::/64', { prefix: 'fd00:abcd:1::/64', kind: 'device' }],
      ...others.map((n): [string, object] => [`peer/${n.peerId}`, peerOf(n)]),
      ['vip/v', this.vipFor(self)],
    ];
    const encoded = new Map(items.map(([key, value]) => [key, Buffer.from(JSON.stringify(value))]));
    const section = { generation: 1n, hash: sectionHash(encoded), items: encoded };
    return serializeDesired({ storeEpoch: 'e', sections: new Map([['network/net', section]]) });
  }

  private vipFor(self: Node): VipItem {
    const voters = this.nodes
      .filter((n) => n.name !== CLIENT)
      .map(({ peerId, address }) => ({ peer_id: peerId, address }));
    const [holder] = this.nodes;
    const isHolder = self === holder;
    return {
      vip_id: 'v',
      network_id: 'net',
      address: VIP,
      epoch: 1,
      holder_peer_id: holder!.peerId,
      route_peer_id: isHolder ? null : holder!.peerId,
      role: isHolder ? 'holder' : self.name === CLIENT ? 'member' : 'candidate',
      release_after_move: false,
      lease:
        self.name === CLIENT ? null : { beat_ms: LEASE.beatMs, ttl_ms: LEASE.ttlMs, voters, platform_votes: false },
    };
  }
}

const collect = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('close', () => resolve(text));
  });

const interfaceOf = (node: Node) => ({
  network_id: 'net',
  peer_id: node.peerId,
  // The daemon's socket is private to the machine; the name need only be short.
  name: `wg-${randomBytes(4).toString('hex')}`,
  addresses: [`${node.address}/128`],
  listen_port: 51_820,
  mtu: 1_420,
  forwarding: false,
});

const peerOf = (node: Node) => ({
  peer_id: node.peerId,
  instance_id: node.name,
  public_key: node.publicKey,
  endpoints: [node.endpoint],
  allowed_ips: [`${node.address}/128`],
  persistent_keepalive: 25,
});

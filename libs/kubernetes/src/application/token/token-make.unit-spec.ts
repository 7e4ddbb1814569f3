import { jest } from '@jest/globals';
import { Duplex } from 'node:stream';
import { seededRandom, systemTimers } from '#kernel';
import type { Cluster } from '../../domain/cluster/state.js';
import type { Rollout } from '../../domain/upgrade/state.js';
import { ServerTokenApi } from './server-token.js';
import { TokenRotation } from './token-rotation.js';

interface Server {
  /** What it answers to the rotation; a server that is not up throws. */
  readonly rotates?: number;
  /** The token that it takes. */
  readonly takes?: 'old' | 'new';
  readonly agent?: 'away' | 'too old';
}

afterEach(() => jest.restoreAllMocks());

/** A rotation over these servers, and what was decided, said and asked. */
const make = async (servers: Record<string, Server>, chosen = true) => {
  const asked: string[] = [];
  const link = {
    liveness: (id: string) => ({ connected: servers[id]?.agent !== 'away' }),
    openTunnel: async (id: string) => {
      if (servers[id]!.agent === 'away') throw new Error('not connected');
      return new Duplex({
        read: () => undefined,
        write(chunk: Buffer, _encoding, written) {
          const { op } = JSON.parse(chunk.toString()) as { op: string };
          asked.push(`${id} ${op}`);
          const { agent } = servers[id]!;
          const tooOld = { ok: false, error: 'the request is none: Invalid input' };
          this.push(`${JSON.stringify(agent === 'too old' ? tooOld : { ok: true })}\n`);
          written();
        },
      });
    },
  };
  jest.spyOn(ServerTokenApi.prototype, 'rotate').mockImplementation(async function (this: ServerTokenApi, token) {
    const [id] = (this as unknown as { target: { servers: string[] } }).target.servers;
    const { rotates, takes = 'old' } = servers[id!]!;
    if (rotates === undefined) throw new Error('connect ECONNREFUSED');
    if (rotates !== 200) return { status: rotates, text: '' };
    return { status: takes === token ? 200 : 401, text: '' };
  });
  jest.spyOn(ServerTokenApi.prototype, 'accepts').mockImplementation(async function (this: ServerTokenApi, token) {
    const [id] = (this as unknown as { target: { servers: string[] } }).target.servers;
    const { rotates, takes = 'old' } = servers[id!]!;
    if (rotates === undefined) throw new Error('connect ECONNREFUSED');
    return takes === token;
  });
  let change: object | null = chosen ? { run: 3, ref: 'new', phase: 'chosen' } : null;
  const decided: string[] = [];
  const nodes = new Map(Object.keys(servers).map((id) => [id, { role: 'server', status: 'ready' }]));
  const cluster = () =>
    ({
      ...{ id: 'c', name: 'c', kubeconfigRef: 'k', serverTokenRef: 'old', formerTokenRef: null },
      nodes,
      tokenChange: change,
    }) as unknown as Cluster;
  const transactor = {
    transact: async (_: string, __: unknown, command: { type: string }) => {
      decided.push(command.type);
      if (command.type === 'choose_token') change = { run: 3, ref: 'new', phase: 'chosen' };
      if (command.type === 'token_made') change = { run: 3, ref: 'new', phase: 'made' };
      return { kind: 'accepted' };
    },
    read: async () => ({ state: cluster() }),
  };
  const secrets = { get: async (ref: string) => ref, put: async () => ({ ref: 'new' }) };
  const rotation = new TokenRotation(
    ...([transactor, secrets, link, seededRandom(1), {}, systemTimers] as unknown as ConstructorParameters<
      typeof TokenRotation
    >),
  );
  const trouble = await rotation.prepare({ run: 3, nodes: [] } as unknown as Rollout, cluster(), {
    commandId: 'x',
  } as never);
  return { asked, decided, trouble: trouble ?? 'none' };
};

describe('a new server token, until K3s has it', () => {
  it('is told to every agent beside the former one before K3s hears of it', async () => {
    const { asked, decided, trouble } = await make({ s1: { rotates: 200 }, s2: { rotates: 200 } }, false);
    expect(asked).toEqual(['s1 token_pair_ready', 's2 token_pair_ready', 's1 token_pair', 's2 token_pair']);
    expect([decided, trouble]).toEqual([['choose_token', 'token_made'], 'none']);
    const away = await make({ s1: { rotates: 200 }, s2: { rotates: 200, agent: 'away' } });
    expect([away.decided, away.trouble]).toEqual([
      [],
      expect.stringMatching(/^both server tokens have not reached s2/),
    ]);
  });

  it('is not chosen where an agent is away, or too old to be given two', async () => {
    expect(await make({ s1: { rotates: 200, agent: 'away' } }, false)).toMatchObject({ decided: [], asked: [] });
    const old = await make({ s1: { rotates: 200 }, s2: { rotates: 200, agent: 'too old' } }, false);
    expect([old.decided, old.trouble]).toEqual([[], expect.stringMatching(/the agent of s2 is too old/)]);
  });

  it('is in force when a server takes it, though nobody wrote that down: whoever is away does not matter then', async () => {
    const after = await make({ s1: {}, s2: { rotates: 200, takes: 'new' }, s3: { agent: 'away' } });
    expect([after.decided, after.trouble]).toEqual([['token_made'], 'none']);
  });

  it('is dropped when all servers know of no rotation, and not for one that is older or not up yet', async () => {
    const one = await make({ s1: { rotates: 404 }, s2: { rotates: 200 } });
    expect([one.decided, one.trouble]).toEqual([['token_made'], 'none']);
    const unsure = await make({ s1: { rotates: 404 }, s2: {} });
    expect([unsure.decided, unsure.trouble]).toEqual([
      [],
      expect.stringMatching(/^K3s did not take the new token: s1: 404/),
    ]);
    const all = await make({ s1: { rotates: 404 }, s2: { rotates: 404 } });
    expect([all.decided, all.trouble]).toEqual([['drop_token'], expect.stringMatching(/^this version of K3s/)]);
  });
});

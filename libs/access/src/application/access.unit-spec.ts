import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventCatalogue, ManualClock, seededRandom, silentLog } from '#kernel';
import { MemoryEventStore, START, type AppendRequest } from '#event-store';
import { Transactor, type CommandContext } from '#processing';
import { accessEvents } from '../domain/events.js';
import { mintJoinToken, parseJoinToken } from '../tokens/join-token.js';
import { ADMIN_OPERATOR_ID, bootstrapAccess } from './bootstrap.js';
import { claimName, releaseName } from './names.js';
import { OperatorDirectory } from './operator-directory.js';
import { createOperatorToken, revokeOperatorToken } from './operator-tokens.js';

const setUp = async (dataDir: string, seed = 1, store?: MemoryEventStore) => {
  const clock = new ManualClock();
  const events = store ?? new MemoryEventStore(clock);
  const transactor = new Transactor(events, new EventCatalogue(accessEvents));
  const random = seededRandom(seed);
  const directory = new OperatorDirectory(events, clock, silentLog);
  return { clock, events, transactor, random, directory, dataDir };
};
const context = (commandId: string, accountId = 'account-1'): CommandContext => ({
  commandId,
  correlationId: 'c',
  causationId: 'c',
  accountId,
  actor: { kind: 'operator', id: 'o' },
  nowMs: 0,
});

describe('first start', () => {
  let dir: string;
  beforeEach(async () => (dir = await mkdtemp(join(tmpdir(), 'drover-access-'))));
  afterEach(() => rm(dir, { recursive: true }));

  it('makes the admin, shows the token once and leaves it in a private file', async () => {
    const t = await setUp(dir);
    const first = await bootstrapAccess(t);
    expect((await readFile(first.tokenFile, 'utf8')).trim()).toBe(first.adminToken);
    expect((await stat(first.tokenFile)).mode & 0o777).toBe(0o600);
    expect(await t.directory.authenticate(first.adminToken!)).toMatchObject({
      name: 'admin',
      permissions: new Set(['*']),
    });
    expect((await bootstrapAccess(t)).adminToken).toBeUndefined();
    expect(
      JSON.stringify((await t.events.readAll(0n as never, { limit: 99 })).events.map((e) => e.data)),
    ).not.toContain(first.adminToken!.slice(-43));
  });

  it('continues after a crash between the file and the event with the token of the file', async () => {
    class Crashing extends MemoryEventStore {
      broken = true;
      override append(request: AppendRequest) {
        if (this.broken && request.stream === ADMIN_OPERATOR_ID) throw new Error('killed');
        return super.append(request);
      }
    }
    const store = new Crashing(new ManualClock());
    await expect(bootstrapAccess(await setUp(dir, 1, store))).rejects.toThrow('killed');
    const token = (await readFile(join(dir, 'admin.token'), 'utf8')).trim();
    store.broken = false;
    const t = await setUp(dir, 2, store);
    expect((await bootstrapAccess(t)).adminToken).toBe(token);
    expect(await t.directory.authenticate(token)).toBeDefined();
  });

  it('lets racing first starts agree on one working token', async () => {
    const store = new MemoryEventStore(new ManualClock());
    const racers = await Promise.all([1, 2, 3, 4].map((seed) => setUp(dir, seed, store)));
    await Promise.all(racers.map((r) => bootstrapAccess(r)));
    const token = (await readFile(join(dir, 'admin.token'), 'utf8')).trim();
    expect(await racers[0]!.directory.authenticate(token)).toBeDefined();
  });

  it('replaces a token file that holds no token', async () => {
    await writeFile(join(dir, 'admin.token'), 'scribble');
    const t = await setUp(dir);
    expect(await t.directory.authenticate((await bootstrapAccess(t)).adminToken!)).toBeDefined();
  });

  it('a revoked, expired, altered or foreign token opens nothing, at once and in every process', async () => {
    const t = await setUp(dir);
    const { operatorId, adminToken } = await bootstrapAccess(t);
    const expiresAt = '2026-01-01T01:00:00.000Z';
    const short = await createOperatorToken(
      t,
      { operatorId, permissions: ['system.nodes.read'], expiresAt },
      context('1'),
    );
    const other = await createOperatorToken(t, { operatorId, permissions: [], expiresAt: null }, context('2'));
    const elsewhere = new OperatorDirectory(t.events, t.clock, silentLog);
    expect(await elsewhere.authenticate(short.token)).toMatchObject({ permissions: new Set(['system.nodes.read']) });
    expect(await elsewhere.authenticate(other.token)).toBeDefined();
    await revokeOperatorToken(t.transactor, { operatorId, tokenId: other.tokenId }, context('3'));
    expect(await elsewhere.authenticate(other.token)).toBeUndefined();
    await t.clock.advance(3_600_000);
    expect(await elsewhere.authenticate(short.token)).toBeUndefined();
    const last = adminToken!.at(-1) === 'A' ? 'E' : 'A';
    for (const bad of ['', 'x', adminToken!.slice(0, -1) + last, `${adminToken} `]) {
      expect(await elsewhere.authenticate(bad)).toBeUndefined();
    }
    expect(await elsewhere.authenticate(adminToken!)).toBeDefined();
  });

  it('lets nobody in past an event of a later build, which may have ended the token', async () => {
    const t = await setUp(dir);
    const { operatorId, adminToken } = await bootstrapAccess(t);
    expect(await t.directory.authenticate(adminToken!)).toBeDefined();
    const [known] = (await t.events.readAll(START, { limit: 99, categories: ['operator'] })).events;
    const { meta } = known!;
    const later = {
      id: '00000000-0000-4000-8000-000000000001',
      type: 'system.operator.banned',
      schemaVersion: 1,
      data: {},
      meta,
    };
    await t.events.append({ stream: operatorId, expected: 'any', events: [later] });
    await expect(t.directory.authenticate(adminToken!)).rejects.toThrow('system.operator.banned');
  });
});

describe('names on the account stream', () => {
  it('let one of many racing claimants win', async () => {
    const t = await setUp('/nowhere');
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        claimName(t.transactor, { kind: 'node', name: 'n', id: `id-${i}` }, context(`c${i}`)),
      ),
    );
    expect(claims.filter((c) => c.kind === 'accepted')).toHaveLength(1);
    expect(claims.filter((c) => c.kind === 'refused' && c.refusal.code === 'name_taken')).toHaveLength(7);
  });

  it('can be released and claimed within one command', async () => {
    const t = await setUp('/nowhere');
    const [a, b] = ['a', 'b'].map((name) => ({ kind: 'network' as const, name, id: 'x' }));
    await claimName(t.transactor, a!, context('1'));
    await claimName(t.transactor, b!, context('2'));
    await releaseName(t.transactor, a!, context('2'));
    expect((await claimName(t.transactor, { ...a!, id: 'y' }, context('3'))).kind).toBe('accepted');
  });
});

describe('join tokens', () => {
  it('carry their instance and are told from everything else', () => {
    const id = 'instance-00000000-0000-4000-8000-00000000abcd';
    const minted = mintJoinToken(id, seededRandom(3));
    expect(parseJoinToken(minted.token)).toEqual({ instanceId: id, tokenId: minted.tokenId, digest: minted.digest });
    expect(parseJoinToken(`${minted.token}x`)).toBeUndefined();
    expect(parseJoinToken('drvj_x_y')).toBeUndefined();
  });
});

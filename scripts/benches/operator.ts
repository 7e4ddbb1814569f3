import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import {
  deterministicId,
  deterministicUuid,
  EventCatalogue,
  isoTime,
  silentLog,
  systemClock,
  systemRandom,
  type AccountId,
} from '#kernel';
import { accessEvents, mintOperatorToken, OperatorDirectory, operatorDecider, type OperatorCommand } from '#access';
import { migrate, PostgresEventStore, startEmbeddedPostgres, type EventStore } from '#event-store';
import { PostgresKeptStates, Transactor, type CommandContext } from '#processing';

const accountId = deterministicId('account', 'bench');
const operatorId = deterministicId('operator', accountId, 'bench');
const LOGIN_EVERY_MS = 120_000;
const BEGAN = Date.UTC(2026, 0, 1);
const catalogue = new EventCatalogue(accessEvents);

const progress = (text: string) => process.stderr.write(`${text}\n`);
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const round1 = (value: number): number => Math.round(value * 10) / 10;

/** What an operator costs who has logged in for years: deciding, and letting in, in a process that has just started and in one that goes on. */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: { logins: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '5' } },
  });
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  const server = await startEmbeddedPostgres({ dataDir, dieWithParent: true });
  const pool = new pg.Pool(server.connection);
  try {
    await migrate(server.connection);
    const real = new PostgresEventStore({ connection: server.connection });
    const result = await measure(real, pool, Number(values.logins), Number(values.rounds));
    await real.close();
    return { bench: 'operator', ...result };
  } finally {
    await pool.end();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

const measure = async (real: EventStore, pool: pg.Pool, logins: number, rounds: number) => {
  const { store, read } = counting(real);
  const started = (keeps: boolean) => {
    const states = new PostgresKeptStates(pool);
    states.sealWith(Buffer.alloc(32, 1));
    return new Transactor(store, catalogue, keeps ? { states } : undefined);
  };
  const token = await work(started(true), logins);
  const decided = async (keeps: boolean) => {
    const transactor = started(keeps);
    const [first, events] = await timed(() => decide(transactor, -1), read);
    const [next] = await timed(() => decide(transactor, -2), read);
    return { first, events, next };
  };
  const letIn = async (keeps: boolean) => {
    const transactor = started(keeps);
    const known = keeps ? (id: string) => transactor.read(id, operatorDecider) : undefined;
    const directory = new OperatorDirectory(store, systemClock, silentLog, known);
    const [ms, events] = await timed(async () => {
      if ((await directory.authenticate(token)) === undefined) throw new Error('the token does not open');
    }, read);
    return { ms, events };
  };
  const repeat = async <T>(what: (keeps: boolean) => Promise<T>, keeps: boolean): Promise<T[]> => {
    const all: T[] = [];
    for (let i = 0; i < rounds; i++) all.push(await what(keeps));
    return all;
  };
  const [whole, kept] = [await repeat(decided, false), await repeat(decided, true)];
  const [wholeIn, keptIn] = [await repeat(letIn, false), await repeat(letIn, true)];
  const ms = (numbers: readonly number[]) => round1(median(numbers));
  return {
    stream_events: whole[0]!.events,
    whole: {
      first_decision_ms: ms(whole.map((r) => r.first)),
      events_read: whole[0]!.events,
      let_in_ms: ms(wholeIn.map((r) => r.ms)),
    },
    kept: {
      ...{ first_decision_ms: ms(kept.map((r) => r.first)), events_read: Math.max(...kept.map((r) => r.events)) },
      ...{ let_in_ms: ms(keptIn.map((r) => r.ms)), next_decision_ms: ms(kept.map((r) => r.next)) },
    },
  };
};

/** Years of logins; answers the last token. */
const work = async (transactor: Transactor, logins: number): Promise<string> => {
  let last = '';
  for (let n = 0; n < logins; n++) {
    const nowMs = BEGAN + n * LOGIN_EVERY_MS;
    const minted = mintOperatorToken(operatorId, systemRandom, `${n}`);
    const token = {
      ...{ token_id: minted.tokenId, token_digest: minted.digest, permissions: ['role:admin'], label: 'login' },
      ...{ expires_at: n === logins - 1 ? null : isoTime(nowMs + 60_000), at: isoTime(nowMs) },
    };
    const about = {
      operatorId,
      accountId: accountId as AccountId,
      name: 'bench',
      role: 'admin',
      issuer: 'bench',
      address: null,
    };
    await must(transactor, { type: 'log_in', ...about, token, nowMs }, n, nowMs);
    if (n < logins - 1) await must(transactor, { type: 'revoke_token', tokenId: minted.tokenId }, logins + n, nowMs);
    last = minted.token;
    if (n % 5_000 === 0) progress(`${n} logins`);
  }
  return last;
};

const must = async (transactor: Transactor, command: OperatorCommand, n: number, nowMs: number): Promise<void> => {
  const done = await transactor.transact(operatorId, operatorDecider, command, context(n, nowMs));
  if (done.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(done)}`);
};

const decide = async (transactor: Transactor, n: number): Promise<void> => {
  const command = { type: 'revoke_token', tokenId: 'none' } as const;
  const done = await transactor.transact(operatorId, operatorDecider, command, context(n, BEGAN));
  if (done.kind !== 'refused') throw new Error(`decided otherwise: ${done.kind}`);
};

const context = (n: number, nowMs: number): CommandContext => {
  const commandId = deterministicUuid('bench', n);
  const actor = { kind: 'operator', id: operatorId } as const;
  return { commandId, correlationId: commandId, causationId: commandId, accountId, actor, nowMs };
};

const counting = (real: EventStore) => {
  let count = 0;
  async function* readStream(stream: string, from?: number) {
    for await (const event of real.readStream(stream, from)) {
      count++;
      yield event;
    }
  }
  const store: EventStore = {
    ...{ capabilities: real.capabilities, readStream, append: (request) => real.append(request) },
    ...{ readAll: (after, options) => real.readAll(after, options), head: () => real.head() },
    ...{ subscribe: (after, options) => real.subscribe(after, options), close: () => real.close() },
  };
  return { store, read: () => count };
};

const timed = async (task: () => Promise<void>, read: () => number): Promise<[ms: number, events: number]> => {
  const [began, before] = [performance.now(), read()];
  await task();
  return [performance.now() - began, read() - before];
};

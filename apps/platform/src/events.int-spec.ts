import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { deterministicId, isoTime, systemClock, systemIds, systemRandom } from '#kernel';
import { ADMIN_OPERATOR_ID, mintOperatorToken, operatorDecider, revokeOperatorToken } from '#access';
import { connectGrpc, connectSse, type ConsumerEvent, type SseMessage } from '#consumers';
import { eventsV1 } from '#proto';
import { EventFollowers } from './testing/event-followers.js';
import { systemContext } from './testing/system-context.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

let drover: TestPlatform;
let otherToken: string;
const otherAccount = deterministicId('account', 'other');

beforeAll(async () => {
  drover = await startTestPlatform({ DROVER_CONSUMERS_PER_ACCOUNT: '8' });
  const operatorId = deterministicId('operator', 'other');
  const minted = mintOperatorToken(operatorId, systemRandom);
  otherToken = minted.token;
  const token = { token_id: minted.tokenId, token_digest: minted.digest, permissions: ['system.*'], expires_at: null };
  await drover.platform.foundation.transactor.transact(
    operatorId,
    operatorDecider,
    { type: 'create_operator', operatorId, accountId: otherAccount, name: 'other', token },
    systemContext(otherAccount),
  );
});
afterAll(() => drover.stop());

const account = deterministicId('account', 'default');
const followers = new EventFollowers(() => drover, account);
const sse = followers.sse.bind(followers);
const grpc = followers.grpc.bind(followers);
const adminToken = followers.adminToken.bind(followers);
const createTemplate = followers.createTemplate.bind(followers);
const isLive = ({ event }: SseMessage) => event === 'checkpoint';
const kindOf = ({ data }: SseMessage) => (JSON.parse(data) as ConsumerEvent).kind;
const liveOf = ({ message }: eventsV1.SubscribeResponse) => message?.$case === 'checkpoint' && message.value.live;

describe('/events', () => {
  it('sends the log, says when it is live, and goes on with what is appended', async () => {
    const stream = await sse('?kind_prefix=system.operator&kind_prefix=system.template');
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
    });
    await stream.until(isLive);
    expect(stream.messages.filter((m) => m.event === 'message').map(kindOf)).toContain('system.operator.created');
    const id = await createTemplate();
    const created = await stream.until(({ data }) => data.includes(id));
    expect(JSON.parse(created.data)).toMatchObject({
      kind: 'system.template.created',
      severity: 'info',
      account_id: account,
      stream: id,
      actor: { kind: 'operator', id: ADMIN_OPERATOR_ID },
      occurred_at: expect.any(String),
      recorded_at: expect.any(String),
      correlation_id: expect.any(String),
    });
    stream.cut();
  });

  it('resumes behind Last-Event-ID, which counts more than the cursor of the first URL', async () => {
    const first = await sse('?kind_prefix=system.template');
    const old = (await first.until(isLive)).id!;
    const [one, two] = [await createTemplate(), await createTemplate()];
    const seen = await first.until(({ data }) => data.includes(one));
    first.cut();
    const again = await sse(`?kind_prefix=system.template&after=${old}`, drover.token, seen.id);
    expect(kindOf(await again.until((m) => m.event === 'message'))).toBe('system.template.created');
    expect(again.messages[0]!.data).toContain(two);
    again.cut();
  });

  it('starts at the head when asked to, and a checkpoint carries the progress of a consumer that gets nothing', async () => {
    const stream = await sse(`?from=now&severity=critical&checkpoint_seconds=1`);
    const first = await stream.until(isLive);
    await createTemplate();
    const later = await stream.until((m) => m.event === 'checkpoint' && m.id !== first.id);
    expect(stream.messages.every((m) => m.event === 'checkpoint')).toBe(true);
    const { cursors, store } = drover.platform.foundation;
    expect(cursors.decode(account, later.id!)).toBeLessThanOrEqual(await store.head());
    expect(cursors.decode(account, later.id!)).toBeGreaterThan(cursors.decode(account, first.id!));
    stream.cut();
  });

  it.each([
    ['without a token', '', undefined, 401, 'missing_token', 'authorization'],
    ['with a token in the URL', '?access_token=x', 'admin', 400, 'token_in_url', 'access_token'],
    ['with a misspelt filter', '?severty=high', 'admin', 400, 'unknown_parameter', 'severty'],
    ['with an unknown severity', '?severity=hihg', 'admin', 400, 'invalid_parameter', 'severity'],
    ['with a prefix of nothing', '?kind_prefix=system.k8s', 'admin', 400, 'unknown_kind', 'kind_prefix'],
    ['for a process manager', '?stream=pm_sdwan-1', 'admin', 400, 'not_for_consumers', 'stream'],
    ['for no stream', '?stream=clustr', 'admin', 400, 'invalid_parameter', 'stream'],
    ['for no entity', '?subject=clustr-1', 'admin', 400, 'invalid_parameter', 'subject'],
    ['with a forged cursor', '?after=AAAA', 'admin', 400, 'invalid_cursor', 'after'],
    ['with a number that is none', '?checkpoint_seconds=x', 'admin', 400, 'invalid_parameter', 'checkpoint_seconds'],
    ['for another account', `?account=${account}`, 'other', 403, 'permission_denied', 'account'],
    ['for all accounts', '?account=all', 'other', 403, 'permission_denied', 'account'],
  ])('refuses %s', async (_, query, who, code, error, field) => {
    const token = who === undefined ? undefined : who === 'other' ? otherToken : drover.token;
    const refused = connectSse(`${drover.url}/events${query}`, token === undefined ? {} : { token });
    await expect(refused).rejects.toMatchObject({ status: code, body: { error: { code: error, field } } });
  });

  it('sends of all streams of a category, and of streams that are no entity’s own', async () => {
    const id = await createTemplate();
    const claims = await sse(`?stream=account-&stream=template`);
    await claims.until(isLive);
    const streams = claims.messages
      .filter((m) => m.event === 'message')
      .map((m) => (JSON.parse(m.data) as ConsumerEvent).stream);
    expect(streams).toContain(id);
    expect(streams).toContain(account);
    expect(streams.every((stream) => /^(account|template)-/.test(stream))).toBe(true);
    claims.cut();
    await drover.rest('system_sdwan_create_network', { name: 'streams' });
    const prefixes = grpc({ stream: ['account_prefixes'] });
    await prefixes.until(liveOf);
    const kinds = prefixes.messages.map(({ message }) =>
      message?.$case === 'event' ? message.value.kind : 'progress',
    );
    expect(kinds).toEqual(['system.sdwan.prefix_claimed', 'progress']);
    prefixes.cut();
  });

  it('names the nearest valid choice', async () => {
    await expect(sse('?kind_prefix=system.k3.handshake')).rejects.toMatchObject({
      body: { error: { hint: 'did you mean system.k3s?' } },
    });
    await expect(sse('?severity=hihg')).rejects.toMatchObject({ body: { error: { hint: 'did you mean high?' } } });
    await expect(sse(`?stream=clustr-${systemIds.uuid()}`)).rejects.toMatchObject({
      body: { error: { hint: expect.stringContaining('did you mean cluster-') } },
    });
  });
});

describe('Subscribe', () => {
  it('sends the same events as /events, under cursors that both understand', async () => {
    const id = await createTemplate();
    const stream = grpc({ stream: [id] });
    await stream.until(liveOf);
    const overHttp = await sse(`?stream=${id}`);
    await overHttp.until(isLive);
    const [message] = stream.messages;
    if (message?.message?.$case !== 'event') throw new Error('no event');
    const event = message.message.value;
    const { occurred_at, recorded_at, ...view } = JSON.parse(overHttp.messages[0]!.data) as ConsumerEvent;
    expect({
      ...event,
      severity: event.severity === eventsV1.Severity.SEVERITY_INFO ? 'info' : '?',
      occurredAt: undefined,
      recordedAt: undefined,
    }).toEqual({
      id: view.id,
      kind: view.kind,
      payload: view.payload,
      severity: 'info',
      links: view.links,
      correlationId: view.correlation_id,
      actor: view.actor,
      accountId: account,
      stream: id,
    });
    expect([event.occurredAt, event.recordedAt].map((d) => d!.toISOString())).toEqual([occurred_at, recorded_at]);
    expect(message.cursor).toBe(overHttp.messages[0]!.id);
    stream.cut();
    overHttp.cut();
  });

  it.each([
    ['without a token', {}, undefined, status.UNAUTHENTICATED, /missing_token/],
    ['with an unknown token', {}, 'drv_x', status.UNAUTHENTICATED, /invalid_token/],
    ['with a prefix of nothing', { kindPrefix: ['system.k8s'] }, 'admin', status.INVALID_ARGUMENT, /kind_prefix/],
    ['with an unknown severity', { severity: 9 }, 'admin', status.INVALID_ARGUMENT, /field severity.*SEVERITY_HIGH/],
    ['with a forged cursor', { after: 'AAAA' }, 'admin', status.INVALID_ARGUMENT, /invalid_cursor/],
    ['for all accounts', { account: 'all' }, 'other', status.PERMISSION_DENIED, /platform.events.read/],
  ])('refuses %s', async (_, request, who, code, words) => {
    const token = who === 'admin' ? drover.token : who === 'other' ? otherToken : who;
    const stream = connectGrpc(
      {
        address: drover.platform.enrollAddress,
        caPem: readFileSync(join(drover.dataDir, 'ca/ca.pem'), 'utf8'),
        ...(token === undefined ? {} : { token }),
      },
      request,
    );
    const error = (await stream.ended) as ServiceError;
    expect([error.code, error.details]).toEqual([code, expect.stringMatching(words)]);
  });
});

describe('accounts', () => {
  it('see their own events and nothing else, and cannot use the cursors of others', async () => {
    const mine = await createTemplate();
    const theirs = await createTemplate(otherToken);
    const stream = await sse('', otherToken);
    await stream.until(isLive);
    const events = stream.messages.filter((m) => m.event === 'message').map((m) => JSON.parse(m.data) as ConsumerEvent);
    expect(new Set(events.map((e) => e.account_id))).toEqual(new Set([otherAccount]));
    expect(JSON.stringify(events)).toContain(theirs);
    expect(JSON.stringify(events)).not.toContain(mine);
    const cursor = stream.messages[0]!.id;
    stream.cut();
    await expect(sse('', drover.token, cursor)).rejects.toMatchObject({ body: { error: { code: 'invalid_cursor' } } });
  });

  it('are all seen, or one by name, with the platform scope; never the streams of process managers', async () => {
    const all = await sse('?account=all');
    const { id: cursor } = await all.until(isLive);
    const events = all.messages.filter((m) => m.event === 'message').map((m) => JSON.parse(m.data) as ConsumerEvent);
    expect(new Set(events.map((e) => e.account_id))).toEqual(new Set([account, otherAccount]));
    expect(events.filter((e) => e.stream.startsWith('pm_'))).toEqual([]);
    all.cut();
    await expect(sse('', drover.token, cursor)).rejects.toMatchObject({ body: { error: { code: 'invalid_cursor' } } });
    const one = await sse(`?account=${otherAccount}`);
    await one.until(isLive);
    expect(one.messages.some((m) => m.data.includes(otherAccount))).toBe(true);
    expect(one.messages.some((m) => m.data.includes(account))).toBe(false);
    one.cut();
  });

  it('may follow so many times and no more, and a seat is free again when its stream is gone', async () => {
    const streams = await Promise.all(Array.from({ length: 8 }, () => sse('', otherToken)));
    const metrics = await fetch(`${drover.url}/metrics`, { headers: { authorization: `Bearer ${drover.token}` } });
    expect(await metrics.text()).toMatch(/drover_event_consumers ([89]|1\d)\n/);
    await expect(sse('', otherToken)).rejects.toMatchObject({
      status: 429,
      body: { error: { code: 'too_many_consumers', hint: expect.stringContaining('DROVER_CONSUMERS_PER_ACCOUNT') } },
    });
    const mine = await sse();
    mine.cut();
    streams[0]!.cut();
    for (let tries = 0; ; tries++) {
      const again = await sse('', otherToken).catch((error: unknown) =>
        tries < 1_000 ? undefined : Promise.reject(error),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (again === undefined) continue;
      for (const stream of [...streams, again]) stream.cut();
      break;
    }
  });
});

describe('a token that ends while its stream is open', () => {
  const revoke = (tokenId: string) =>
    revokeOperatorToken(
      drover.platform.foundation.transactor,
      { operatorId: ADMIN_OPERATOR_ID, tokenId },
      systemContext(account),
    );

  it('cuts the streams at once when it is revoked, and says why', async () => {
    const { token, tokenId } = await adminToken(['system.events.read']);
    const [overHttp, overGrpc] = [await sse('', token), grpc({}, token)];
    await Promise.all([overHttp.until(isLive), overGrpc.until(liveOf)]);
    await revoke(tokenId);
    const ended = Promise.all([overHttp.ended, overGrpc.ended]);
    // Well before the watch would look of itself.
    const late = sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error('still open')));
    const [, error] = await Promise.race([ended, late]);
    expect(overHttp.messages.at(-1)).toMatchObject({ event: 'end', data: expect.stringContaining('invalid_token') });
    expect([error!.code, error!.details]).toEqual([status.UNAUTHENTICATED, expect.stringContaining('revoked')]);
    await expect(sse('', token)).rejects.toMatchObject({ status: 401 });
  });

  it('cuts them when it expires', async () => {
    const openFor = async (ms: number): Promise<Awaited<ReturnType<typeof sse>>> => {
      const { token } = await adminToken(['system.events.read'], isoTime(systemClock.wallMs() + ms));
      // A machine that stands still comes too late with it.
      return sse('', token).catch((error: unknown) => (ms > 60_000 ? Promise.reject(error) : openFor(2 * ms)));
    };
    const stream = await openFor(1_500);
    await stream.ended;
    expect(stream.messages.at(-1)!.event).toBe('end');
  });

  it('must have the permission', async () => {
    const { token } = await adminToken(['system.templates.read']);
    await expect(sse('', token)).rejects.toMatchObject({ status: 403, body: { error: { code: 'permission_denied' } } });
  });
});

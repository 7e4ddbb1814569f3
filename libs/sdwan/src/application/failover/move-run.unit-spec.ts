import { ManualClock, silentLog } from '#kernel';
import { agentV1 } from '#proto';
import { A, B, C, plan } from '../../domain/testing/move-world.js';
import { SdwanModel } from '../sdwan-model.js';
import { MoveRun, type MoveDeps } from './move-run.js';

const LEASE = { beatMs: 200, ttlMs: 600 };
const CAUSE = { commandId: 'x', correlationId: 'x', actor: { kind: 'system', id: 'test' } } as const;

const setUp = () => {
  const clock = new ManualClock(0);
  const asked: agentV1.VoteRequest[] = [];
  const started: string[] = [];
  const deps = {
    model: new SdwanModel(LEASE),
    transactor: { transact: async () => (started.push('started'), { kind: 'refused', refusal: { code: 'enough' } }) },
    link: {
      sendVip: () => true,
      sendPriority: (_id: string, { message }: agentV1.SyncResponse) => {
        if (message?.$case === 'voteRequest') asked.push(message.value);
        return true;
      },
    },
    clock,
    timers: clock,
    log: silentLog,
    lease: LEASE,
    holderReady: () => undefined,
    context: () => ({}),
  } as unknown as MoveDeps;
  const begin = (id: string) => {
    const run = new MoveRun(deps, 'virtual_ip-1', 'account-1', 'lease_lost', plan(), CAUSE, id);
    run.begin();
    return run;
  };
  const heardLongAgo = (question: string | undefined) =>
    agentV1.VotePromise.fromPartial({
      vipId: 'virtual_ip-1',
      epoch: 1n,
      granted: true,
      holderHeardMsAgo: 700n,
      ...(question === undefined ? {} : { question }),
    });
  const answer = (run: MoveRun, question: string | undefined) => {
    for (const { instance_id } of [B, C]) run.onVotePromise(instance_id, heardLongAgo(question));
  };
  return { clock, asked, started, begin, answer };
};

describe('what voters answer to a move', () => {
  it('counts in that move alone: an answer to the try before it, at the same epoch, may come at any time', async () => {
    const { clock, asked, started, begin, answer } = setUp();
    begin('first').abandon('the test ends it');
    const second = begin('second');
    expect(new Set(asked.map(({ question }) => question)).size).toBe(2);
    answer(second, asked[0]!.question);
    await clock.advance(10);
    expect(started).toEqual([]);
    answer(second, asked.at(-1)!.question);
    await clock.advance(10);
    expect(started).toEqual(['started']);
    expect(asked.map(({ epoch }) => epoch)).toEqual(asked.map(() => BigInt(plan({ from: A }).epoch)));
  });

  it('counts as before where an agent does not say what it answers', async () => {
    const { clock, started, begin, answer } = setUp();
    answer(begin('only'), undefined);
    await clock.advance(10);
    expect(started).toEqual(['started']);
  });
});

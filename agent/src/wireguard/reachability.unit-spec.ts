import { Reachability } from './reachability.js';

const settle = () => new Promise<void>((done) => setImmediate(done));

const world = () => {
  const state = { now: 1_000_000, answers: true, asked: [] as string[] };
  const processes = {
    run: async (_: string, args: readonly string[]) => {
      state.asked.push(args.at(-1)!);
      return { code: state.answers ? 0 : 1, stdout: '', stderr: '' };
    },
  };
  const clock = { wallMs: () => state.now, monotonicMs: () => state.now };
  return { state, reachability: new Reachability(processes, clock) };
};

describe('reachability of underlay addresses', () => {
  it('says 0 until the address has answered, and when it answered from then on', async () => {
    const { state, reachability } = world();
    expect(reachability.lastAnswerMs('fd77::b')).toBe(0);
    await settle();
    expect(reachability.lastAnswerMs('fd77::b')).toBe(state.now);
    expect(state.asked).toEqual(['fd77::b']);
  });

  it('does not make an address that stopped answering look fresh', async () => {
    const { state, reachability } = world();
    reachability.lastAnswerMs('fd77::b');
    await settle();
    const answered = state.now;
    state.answers = false;
    state.now += 60_000;
    reachability.lastAnswerMs('fd77::b');
    await settle();
    expect(reachability.lastAnswerMs('fd77::b')).toBe(answered);
    expect(state.asked).toHaveLength(2);
  });

  it('asks a silent address once a second, however often it is looked at', async () => {
    const { state, reachability } = world();
    state.answers = false;
    for (let i = 0; i < 10; i++) {
      reachability.lastAnswerMs('fd77::c');
      await settle();
      state.now += 200;
    }
    expect(state.asked).toHaveLength(2);
  });
});

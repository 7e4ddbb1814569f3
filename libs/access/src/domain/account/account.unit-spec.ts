import type { NodeId } from '#kernel';
import { accountDecider, nameHolder, type AccountCommand, type AccountState } from './account.js';

const run = (commands: readonly AccountCommand[]): AccountState =>
  commands.reduce((state, command) => {
    const decision = accountDecider.decide(command, state);
    return decision.kind === 'accept' ? decision.events.reduce(accountDecider.evolve, state) : state;
  }, accountDecider.initial);
const A: NodeId = 'node-00000000-0000-4000-8000-00000000000a';
const B: NodeId = 'node-00000000-0000-4000-8000-00000000000b';
const claim = (name: string, id: string): AccountCommand => ({ type: 'claim_name', kind: 'node', name, id });

describe('names of an account', () => {
  it('are claimed once; a second claimant is refused with the holder and a free suggestion', () => {
    const state = run([claim('server-1', A), claim('server-1-2', A)]);
    const decision = accountDecider.decide(claim('server-1', B), state);
    expect(decision).toEqual({
      kind: 'reject',
      refusal: expect.objectContaining({
        code: 'name_taken',
        status: 409,
        field: 'name',
        hint: 'choose another name, for example "server-1-3"',
        candidates: [{ id: A, name: 'server-1' }],
      }),
    });
  });

  it('stay with the same id on a retry', () => {
    expect(accountDecider.decide(claim('x', A), run([claim('x', A)]))).toEqual({
      kind: 'nothing',
      reason: 'already_claimed',
    });
  });

  it('are per kind', () => {
    const network: AccountCommand = { type: 'claim_name', kind: 'network', name: 'x', id: 'n' };
    expect(accountDecider.decide(network, run([claim('x', A)])).kind).toBe('accept');
  });

  it('can be claimed by another after a release by the holder, and only by the holder', () => {
    const release = (id: string): AccountCommand => ({ type: 'release_name', kind: 'node', name: 'x', id });
    expect(nameHolder(run([claim('x', A), release(B)]), 'node', 'x')).toBe(A);
    expect(nameHolder(run([claim('x', A), release(A), claim('x', B)]), 'node', 'x')).toBe(B);
  });
});

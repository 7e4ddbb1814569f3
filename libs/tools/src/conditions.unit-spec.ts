import { conditionShape, statusOfState } from './conditions.js';

const READY = { ready: ['running'], progressing: ['starting'] };
const told = (state: string, more = {}) =>
  Object.fromEntries(
    statusOfState({ state, ...READY, ...more }).conditions.map(({ type, status, reason }) => [
      type,
      `${status} ${reason}`,
    ]),
  );

describe('conditions', () => {
  it('say the same of every state machine', () => {
    expect(told('running')).toEqual({ Ready: 'true Running', Progressing: 'false Running', Degraded: 'false Running' });
    expect(told('starting')).toEqual({
      Ready: 'false Starting',
      Progressing: 'true Starting',
      Degraded: 'false Starting',
    });
    expect(told('not_ready')).toEqual({
      Ready: 'false NotReady',
      Progressing: 'false NotReady',
      Degraded: 'true NotReady',
    });
  });

  it('tell apart what works with less left to lose, and what is meant to do nothing', () => {
    const worse = { ready: ['active', 'degraded'], degraded: ['degraded'] };
    expect(told('degraded', worse)).toMatchObject({ Ready: 'true Degraded', Degraded: 'true Degraded' });
    expect(told('active', worse)).toMatchObject({ Ready: 'true Active', Degraded: 'false Active' });
    const gone = { resting: ['terminated'] };
    expect(told('terminated', gone)).toMatchObject({ Ready: 'false Terminated', Degraded: 'false Terminated' });
    expect(told('lost', gone)['Degraded']).toBe('true Lost');
  });

  it('tell of an error, and of a generation that is not the case yet', () => {
    expect(told('running', { error: 'disk full' })['Degraded']).toBe('true Running');
    const behind = { generation: 4, observedGeneration: 3 };
    expect(told('running', behind)['Progressing']).toBe('true GenerationBehind');
    const { conditions, ...generations } = statusOfState({ state: 'running', ...READY, ...behind });
    expect(generations).toEqual({ generation: 4, observed_generation: 3 });
    for (const one of conditions) expect(conditionShape.parse(one)).toEqual(one);
  });

  it('say it in words of their own where the state makes no sentence, and an error before that', () => {
    const said = (more: { readonly message?: string; readonly error?: string }) =>
      statusOfState({ state: 'running', ...READY, ...more }).conditions.map(({ message }) => message);
    expect(said({})).toEqual(Array(3).fill('it is running'));
    expect(said({ message: 'it runs' })).toEqual(Array(3).fill('it runs'));
    expect(said({ message: 'it runs', error: 'disk full' })).toEqual(Array(3).fill('disk full'));
  });
});

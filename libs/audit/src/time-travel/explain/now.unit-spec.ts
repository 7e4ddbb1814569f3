import { nowOf } from './now.js';

const since = '2026-11-21T08:09:43.146Z';

it('names the module that is in trouble with what its node says, and what to do next', () => {
  const modules = [
    { module_name: 'base', status: 'running', error: null, since },
    { module_name: 'k3s-agent', status: 'degraded', error: 'k3s-agent does not run: failed', since },
  ];
  expect(nowOf('running', { state_since: since, modules, next_action: null, last_error: null })).toEqual({
    ...{ state: 'running', since, next_action: null },
    causes: [`k3s-agent degraded since ${since}: k3s-agent does not run: failed`],
  });
  const lost = { state_since: since, modules: [], next_action: 'look at drover-agent', last_error: 'silent' };
  expect(nowOf('lost', lost)).toMatchObject({ causes: ['silent'], next_action: 'look at drover-agent' });
});

it('says no more than the state of what keeps none of this', () => {
  expect(nowOf('active', {})).toEqual({ state: 'active', since: null, causes: [], next_action: null });
  expect(nowOf('active', { modules: 'of another shape' })).toMatchObject({ causes: [] });
});

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

it('says a failure once, though module and machine both keep it', () => {
  const modules = [{ module_name: 'k3s-agent', status: 'failed', error: 'no room', since }];
  const doc = { state_since: since, modules, last_error: 'k3s-agent: no room' };
  expect(nowOf('running', doc).causes).toEqual([`k3s-agent failed since ${since}: no room`]);
});

it('names the nodes that a cluster is degraded by, since when and why, and where to go on', () => {
  const node = (name: string, status: string, lastError: string | null) => ({
    ...{ instanceId: `instance-${name}`, nodeName: name, status, since, lastError },
  });
  const nodes = [node('s1', 'ready', null), node('w1', 'not_ready', 'k3s-agent does not run')];
  expect(nowOf('degraded', { since, lastError: 'no worker is ready', nodes })).toEqual({
    ...{ state: 'degraded', since, next_action: 'what is to be done: drover why w1' },
    causes: ['no worker is ready', `w1 not_ready since ${since}: k3s-agent does not run`],
  });
});

it('tells of an API that refuses the platform, and what to do about it, while there is a cluster', () => {
  const apiRefused = { reason: 'its API refuses the platform', nextAction: 'put back what was changed', status: 403 };
  const doc = { since, lastError: null, nodes: [], apiRefused };
  expect(nowOf('active', doc)).toMatchObject({ causes: [apiRefused.reason], next_action: apiRefused.nextAction });
  expect(nowOf('decommissioned', doc)).toMatchObject({ causes: [], next_action: null });
});

it('tells of nodes that are no members of a cluster, and what to do about them', () => {
  const strangers = { reason: '1 node is no member: x', nextAction: 'kubectl delete node x', count: 1, names: ['x'] };
  const doc = { since, lastError: null, nodes: [], strangers };
  expect(nowOf('active', doc)).toEqual({
    ...{ state: 'active', since, causes: [strangers.reason], next_action: strangers.nextAction },
  });
  expect(nowOf('active', { ...doc, strangers: null })).toMatchObject({ causes: [], next_action: null });
  expect(nowOf('decommissioned', doc)).toMatchObject({ causes: [], next_action: null });
});

it('says no more than the state of what keeps none of this', () => {
  expect(nowOf('active', {})).toEqual({ state: 'active', since: null, causes: [], next_action: null });
  expect(nowOf('active', { modules: 'of another shape' })).toMatchObject({ causes: [] });
});

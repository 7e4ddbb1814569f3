import { diffDesired } from './desired-diff.js';

const sections = (items: Readonly<Record<string, unknown>>) => new Map([['network/n', new Map(Object.entries(items))]]);

it('tells what is added, removed and changed, in the order of items, and only the difference of lists', () => {
  const before = sections({
    'peer/z': { allowed_ips: ['a', 'b'], endpoint: 'x' },
    'peer/gone': { endpoint: 'y' },
    'peer/same': { allowed_ips: ['c'] },
  });
  const after = sections({
    'peer/z': { allowed_ips: ['b', 'c'], endpoint: 'x', keepalive: 25 },
    'peer/new': { endpoint: 'w' },
    'peer/same': { allowed_ips: ['c'] },
  });
  expect(diffDesired(before, after)).toEqual([
    {
      section: 'network/n',
      changes: [
        { item: 'peer/gone', change: 'removed' },
        { item: 'peer/new', change: 'added', value: { endpoint: 'w' } },
        {
          item: 'peer/z',
          change: 'changed',
          fields: [
            { field: 'allowed_ips', added: ['c'], removed: ['a'] },
            { field: 'keepalive', after: 25 },
          ],
        },
      ],
    },
  ]);
  expect(diffDesired(before, before)).toEqual([]);
});

it('does not look into what all nodes share: in a mesh that is every item of every node', () => {
  const shared = Object.defineProperty({}, 'endpoint', {
    enumerable: true,
    get: () => {
      throw new Error('looked at');
    },
  });
  expect(diffDesired(sections({ 'peer/a': shared }), sections({ 'peer/a': shared }))).toEqual([]);
});

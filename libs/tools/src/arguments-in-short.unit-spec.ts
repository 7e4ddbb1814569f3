import { argumentsInShort } from './arguments-in-short.js';

it('keeps what was asked for and leaves out what is long, deep or secret', () => {
  expect(
    argumentsInShort({
      id: 'k3s-server-1',
      timeout_seconds: 30,
      force: false,
      driver: null,
      left_out: undefined,
      tags: ['a', 'b'],
      module_assignments: [{ module_name: 'k3s-agent' }],
      config: { registry_password: 'hunter2', target_cluster_id: 'c' },
      join_token: 'drvj_secret',
      ssh_key: 'k',
      note: '🙂'.repeat(100),
    }),
  ).toEqual({
    id: 'k3s-server-1',
    timeout_seconds: 30,
    force: false,
    driver: null,
    tags: 'a, b',
    module_assignments: '1 items',
    config: '{registry_password, target_cluster_id}',
    join_token: '[hidden]',
    ssh_key: '[hidden]',
    note: `${'🙂'.repeat(79)}…`,
  });
});

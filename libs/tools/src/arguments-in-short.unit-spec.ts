import { argumentsInShort } from './arguments-in-short.js';

it.each([
  ['https://hooks.example.com/services/T0/B0/capability?x=y', 'https://hooks.example.com/…'],
  ['postgres://user:pass%40word@db.example.com:5432/k3s', 'postgres://…'],
  ['mysql://root:p@ss@tcp(10.0.0.1:3306)/k3s', 'mysql://…'],
  ['see https://a.eu/b and https://c.eu', 'see https://a.eu/… and https://c.eu'],
  ['https://a.eu/b,c', 'https://a.eu/…'],
  ['https://a.example/', 'https://a.example/'],
  ['https://a.example?token=x', 'https://a.example/…'],
  ['https:/hooks.x/services/SECRET', 'https://hooks.x/…'],
  ['https:hooks.x/services/SECRET', 'https://hooks.x/…'],
  ['https://hooks.x\\services\\SECRET', 'https://hooks.x/…'],
  ['https://hooks.x/a b/SECRET', 'https://hooks.x/…'],
  ['ht\ntps://hooks.x/SECRET', 'https://hooks.x/…'],
  ['https://hooks.x/SECRET/..', 'https://hooks.x'],
  ['postgres://u:pa ss@h', 'postgres://…'],
  ['jdbc:postgresql://u:pa ss@h/db', 'jdbc:postgresql://…'],
  ['see https:hooks.x\\services\\SECRET', 'see https:hooks.x/…'],
  ['see https:/hooks.x/services/SECRET', 'see https:/hooks.x/…'],
  ['use postgres://u:pa ss@h please', 'use postgres://… please'],
  ['10.0.0.0/24', '10.0.0.0/24'],
  ['role:admin', 'role:admin'],
  ['docker.io/rancher/k3s:v1@sha256:abc', 'docker.io/rancher/k3s:v1@sha256:abc'],
  ['user@example.com', 'user@example.com'],
])('keeps of %s where it leads to, and nothing that would open it', (given, kept) => {
  const { url, urls } = argumentsInShort({ url: given, urls: ['a', given] });
  expect(url).toBe(kept);
  expect(urls).toBe(`a, ${kept}`);
});

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

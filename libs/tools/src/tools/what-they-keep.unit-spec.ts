import { whatTheyKeep } from './what-they-keep.js';

const of = (...scopes: readonly string[]) => whatTheyKeep(scopes.map((scope) => ({ permissions: [scope] })));

it('says of who is disabled what of theirs still opens something, and nothing of what they could never have had', () => {
  const [cluster, docker, joining, ...more] = of('role:viewer', 'role:operator');
  expect(cluster).toContain('kubernetes_get_kubeconfig');
  expect(docker).toContain('system_issue_docker_client');
  expect(docker).toContain('root on every Docker host');
  expect(joining).toContain('join token');
  expect(more).toEqual([]);
  const [webhooks, operators] = of('role:admin').slice(3);
  expect([webhooks, operators]).toEqual([
    expect.stringContaining('system_list_webhooks'),
    expect.stringContaining('system_list_tokens'),
  ]);
  expect(of('system.docker_provision')).toEqual([docker]);
  expect(of('system.kubernetes_provision')).toEqual([cluster]);
  expect(of('role:viewer')).toEqual([]);
});

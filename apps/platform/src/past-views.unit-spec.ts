import { pastViews } from './past-views.js';

it('does not say of a rule of the past that it stood for nothing', () => {
  const rule = { name: 'closed', action: 'drop', source: { kind: 'all' }, destination: { kind: 'tag', tag: 'db' } };
  const doc = {
    ...{ id: 'rule-1', network_id: 'network-1', status: 'deleted', created_at: '2026-11-20T10:00:00.000Z' },
    state: { rule: { ...rule, enabled: true, ports: [80, 80] } },
  };
  const view = pastViews.firewall_rules(doc as never, { count: () => 0, atMs: 0 });
  expect(view).toMatchObject({ src_selector: 'all', dst_selector: 'tag:db', port_range: '80', status: 'deleted' });
  expect(view).not.toHaveProperty('resolves');
});

it('says of what has an end whether it was over by the clock of then', () => {
  const doc = { id: 'kubeconfig-1', clusterId: 'c', expiresAt: '2026-11-20T10:00:00.000Z', revoked: null };
  const at = (time: string) => pastViews.kubeconfigs(doc as never, { count: () => 0, atMs: Date.parse(time) });
  expect(at('2026-11-20T09:59:59.999Z')).toMatchObject({ status: 'active' });
  expect(at('2026-11-20T10:00:00.000Z')).toMatchObject({ status: 'expired' });
});

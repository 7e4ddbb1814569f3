import { unitText } from '../services/systemd-manager.js';
import { argsToConfig, joinFromConfig, joinFromDropIn, renderConfig, renderDropIn } from './render.js';
import { k3sPaths } from './paths.js';

describe('what k3s is configured with', () => {
  it('turns arguments into config keys, repeated ones into lists', () => {
    const config = argsToConfig(['--a=1', '--flag', '--b', '2', '--c=x', '--c=y', '--c=z']);
    expect([...config]).toEqual([
      ['a', '1'],
      ['flag', true],
      ['b', '2'],
      ['c', ['x', 'y', 'z']],
    ]);
  });

  it('reads back the token it wrote, from either file', () => {
    const join = { apiEndpoint: 'https://[fd00::100]:6443', token: 'K10ab::server:c"d' };
    expect(joinFromDropIn(renderDropIn({ ...join, token: 'K10ab' }))).toEqual({ ...join, token: 'K10ab' });
    const spec = {
      kind: 'k3s_server' as const,
      assignment_id: 'x',
      state: 'run' as const,
      reason: '',
      cluster_id: null,
      node_name: 'n',
      node_ips: [],
      args: [],
      binary: {},
      role: 'join' as const,
      tls_san: [],
      api_endpoint: null,
      bootstrapped: false,
      member: true,
      datastore: 'etcd' as const,
      datastore_version: '',
    };
    expect(joinFromConfig(renderConfig(spec, k3sPaths('/'), join))).toEqual(join);
    expect(joinFromConfig(renderConfig(spec, k3sPaths('/'), undefined))).toBeUndefined();
  });

  it('has Services and an API server of the family of its pods, which K3s insists on', () => {
    const spec = {
      ...{ kind: 'k3s_server' as const, assignment_id: 'x', state: 'run' as const, reason: '', cluster_id: null },
      ...{ node_name: 'n', node_ips: ['fd00:abcd:1::1:1', '100.64.0.1'], binary: {}, role: 'init' as const },
      ...{ tls_san: [], api_endpoint: null, bootstrapped: false, member: true, datastore: 'etcd' as const },
      datastore_version: '',
    };
    const rendered = (...args: string[]) => renderConfig({ ...spec, args }, k3sPaths('/'), undefined);
    const ipv4 = rendered('--cluster-cidr=10.44.0.0/16');
    expect(ipv4).toContain('service-cidr: "10.43.0.0/16"\nadvertise-address: "100.64.0.1"\n');
    // By its first node-ip K3s does that by itself, and a cluster that runs keeps what it was born with.
    for (const args of [['--cluster-cidr=fd44::/48'], []])
      expect(rendered(...args)).not.toMatch(/service-cidr|advertise-address/);
    expect(rendered('--cluster-cidr=10.44.0.0/16', '--service-cidr=10.96.0.0/16')).toContain(
      'service-cidr: "10.96.0.0/16"',
    );
  });

  it('writes a unit in which nothing can be taken for a specifier or a variable', () => {
    const unit = unitText({
      name: 'k3s',
      description: 'd',
      command: '/bin/k3s',
      args: ['a b', '100%', '$HOME'],
      env: { K3S_TOKEN: 's3cret' },
    });
    expect(unit).toContain('ExecStart="/bin/k3s" "a b" "100%%" "$$HOME"\n');
    expect(unit).not.toContain('s3cret');
  });
});

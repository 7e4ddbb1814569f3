import { globSync, readFileSync } from 'node:fs';
import { platformEvents } from '../../apps/platform/src/events.js';

/** As the design has them (domain and tools), by the folder of code that is about them. */
const STATES: Readonly<Record<string, readonly [folder: string, states: string]>> = {
  'node instance': [
    'libs/fleet/src/domain/instance',
    'pending provisioning starting running draining drained stopping stopped terminated lost error forgotten',
  ],
  'module on an instance': ['libs/fleet/src/domain/instance', 'assigned installing running degraded failed removed'],
  cluster: ['libs/kubernetes/src/domain/cluster', 'bootstrapping active degraded decommissioned error'],
  'cluster node': ['libs/kubernetes/src/domain/cluster', 'joining ready not_ready draining removed orphaned'],
  'sdwan peer': ['libs/sdwan/src/domain/peer', 'pending handshaking connected silent removed'],
  'virtual ip': ['libs/sdwan/src/domain/virtual-ip', 'reserved active moving stranded released'],
  'access grant': ['libs/sdwan/src', 'pending active expired revoked'],
};

/** docs/decisions/0560 says why. */
const LEFT_OUT = ['cluster error', 'cluster node removed', 'node instance stopped'];

const EVENTS = [
  'k3s.module.assigned k3s.runtime.installing k3s.handshake.bootstrap k3s.cluster.bootstrapped k3s.handshake.ready',
  'k3s.handshake.join_request k3s.handshake.join_token_issued k3s.handshake.join_refused k3s.handshake.stopped',
  'k3s.node.not_ready k3s.node.orphan_reaped k3s.cluster.degraded k3s.cluster.decommissioned',
  'docker.module.assigned docker.runtime.installing docker.handshake.wants_cert docker.handshake.cert_signed',
  'docker.handshake.ready docker.provisioned',
  'sdwan.network.created sdwan.network.updated sdwan.network.deleted sdwan.peer.attached sdwan.peer.key_announced',
  'sdwan.peer.connected sdwan.peer.silent sdwan.peer.detached sdwan.virtual_ip.allocated sdwan.virtual_ip.move_started',
  'sdwan.virtual_ip.moved sdwan.virtual_ip.move_failed sdwan.virtual_ip.stranded sdwan.virtual_ip.released',
  'sdwan.access_grant.created sdwan.access_grant.redeemed sdwan.access_grant.revoked sdwan.firewall_rule.created',
  'instance.created instance.provision_requested instance.enrolled instance.online instance.lost instance.returned',
  'instance.drain_requested instance.drained instance.uncordoned instance.terminated instance.forgotten',
  'template.created node.created module.version_created operator.created cluster_bootstrap.pod_subnet_prefix_ignored',
].flatMap((line) => line.split(' ').map((name) => `system.${name}`));

const textOf = (folder: string): string =>
  globSync(`${folder}/**/*.ts`)
    .filter((file) => !/spec\.ts$|\/testing\//.test(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');

it('names each state that the design names, but for those that are left out with a reason', () => {
  const missing = Object.entries(STATES).flatMap(([thing, [folder, states]]) => {
    const text = textOf(folder);
    // In a union, or as what a function answers: not in a message.
    return states
      .split(' ')
      .filter((state) => !text.includes(`'${state}'`))
      .map((state) => `${thing} ${state}`);
  });
  expect(missing.sort()).toEqual(LEFT_OUT);
});

it('has each event that the design names', () => {
  const types = new Set(platformEvents.map(({ type }) => type));
  expect(EVENTS.filter((name) => !types.has(name))).toEqual([]);
});

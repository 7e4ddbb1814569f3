import { deterministicId, deterministicUuid } from '#kernel';
import { clusterDecider } from '../../libs/kubernetes/src/domain/cluster/decide.js';
import { accessGrantDecider } from '../../libs/sdwan/src/domain/access-grant/decide.js';
import { networkDecider } from '../../libs/sdwan/src/domain/network/decide.js';
import { peerDecider } from '../../libs/sdwan/src/domain/peer/decide.js';
import { virtualIpDecider } from '../../libs/sdwan/src/domain/virtual-ip/decide.js';
import { FEW, hex, wireguardKey, step, type Given, type Step } from './given.js';

/** Of the overlay, virtual IPs and clusters. */
export const networkCommands = (given: Given): readonly (readonly (() => Step)[])[] => {
  const { die, pick, n, id, member, roll, presence } = given;
  const peer = (command: Parameters<typeof peerDecider.decide>[0]) => step(id.peer, peerDecider, command);
  const vip = (command: Parameters<typeof virtualIpDecider.decide>[0]) => step(id.vip, virtualIpDecider, command);
  const cluster = (command: Parameters<typeof clusterDecider.decide>[0]) => step(id.cluster, clusterDecider, command);
  const network = (command: Parameters<typeof networkDecider.decide>[0]) => step(id.network, networkDecider, command);
  const of = deterministicId('instance', die(FEW));
  return [
    [
      () =>
        network({
          kind: 'create',
          networkId: id.network,
          name: `net-${n}`,
          handle: hex(n).slice(0, 6),
          cidr64: `fd00:0:0:${n}::/64`,
          cidrV4: `100.64.${n * 16}.0/20`,
          routingMode: null,
          podSubnetPrefix: null,
        }),
      () => network({ kind: 'update', routingMode: pick(['mesh', 'hub', null]) }),
      () => (die(5) === 0 ? network({ kind: 'delete' }) : network({ kind: 'update', name: `net-${roll}` })),
      () =>
        peer({
          kind: 'attach',
          data: {
            peer_id: id.peer,
            network_id: id.network,
            kind: 'node',
            instance_id: id.instance,
            grant_id: null,
            name: `node-${n}`,
            address_v6: `fd00::${n + 1}`,
            address_v4: `100.64.0.${n + 1}`,
            publicly_reachable: false,
            endpoint_host: null,
            endpoint_port: null,
            listen_port: 51_820,
            tags: [],
            public_key: null,
          },
        }),
      () => peer({ kind: 'announce_key', publicKey: wireguardKey(roll % 3), listenPort: 51_820 }),
      () => peer({ kind: 'report_endpoints', underlay: presence.underlay_addresses }),
      () => peer({ kind: 'request_rotation', reason: 'operator' }),
      () => peer({ kind: 'update', change: { endpointHost: pick([null, '203.0.113.7']), endpointPort: 51_820 } }),
      () => peer({ kind: pick(['connected', 'silent']) }),
      () => (die(5) === 0 ? peer({ kind: 'detach', reason: 'asked' }) : peer({ kind: 'connected' })),
      () =>
        step(id.grant, accessGrantDecider, {
          kind: 'create',
          grantId: id.grant,
          networkId: id.network,
          name: `grant-${n}`,
          tags: [],
          tokenDigest: hex(n),
          expiresAtMs: 4_000_000_000_000,
        }),
      () =>
        step(id.grant, accessGrantDecider, {
          kind: 'redeem',
          tokenDigest: hex(n),
          publicKey: wireguardKey(n),
          peerId: id.peer,
          deviceTokenDigest: hex(n + 9),
          nowMs: 1_700_000_000_000,
        }),
      () =>
        die(4) === 0
          ? step(id.grant, accessGrantDecider, { kind: 'revoke', reason: 'asked' })
          : peer({ kind: 'silent' }),
    ],
    [
      () =>
        vip({
          kind: 'reserve',
          virtualIpId: id.vip,
          networkId: id.network,
          clusterId: null,
          name: `vip-${n}`,
          purpose: 'test',
          address: `fd00::f${n}`,
        }),
      () => vip({ kind: 'set_candidates', candidates: [member(0), member(1), member(2)].slice(die(3)) }),
      () => vip({ kind: 'allocate', holder: member(die(FEW)) }),
      () => vip({ kind: 'start_move', epoch: 1 + die(6), to: member(die(FEW)), reason: pick(['drain', 'operator']) }),
      () =>
        vip({
          kind: 'complete_move',
          epoch: 1 + die(6),
          report: { acksMs: {}, unacked: [], outageEstimateMs: die(900) },
        }),
      () => vip({ kind: 'fail_move', epoch: 1 + die(6), reason: 'nobody answered' }),
      () => (die(5) === 0 ? vip({ kind: 'release', reason: 'asked' }) : vip({ kind: 'strand', reason: 'nobody left' })),
    ],
    [
      () =>
        cluster({
          type: 'claim',
          ignoredPodPrefix: null,
          claim: {
            cluster_id: id.cluster,
            name: `cluster-${n}`,
            assignment_id: deterministicUuid('assignment', n),
            template_id: id.template,
            claimant_instance_id: id.instance,
            network_id: id.network,
            virtual_ip_id: id.vip,
            vip: `fd00::f${n}`,
            cni_plugin: 'flannel',
            pod_cidr: null,
          },
        }),
      () =>
        cluster({
          type: 'bootstrap',
          instanceId: id.instance,
          version: 'v1.31.0+k3s1',
          kubeconfigRef: `${id.cluster}#kubeconfig`,
          kubeconfigDigest: hex(n),
          serverTokenRef: `${id.cluster}#server_token`,
          caPem: 'pem',
        }),
      () => cluster({ type: 'mark_bootstrapped', apiEndpoint: 'https://[fd00::f0]:6443', failover: 'vip' }),
      () => cluster({ type: 'request_join', instanceId: of, role: pick(['server', 'agent']), target: null }),
      () => cluster({ type: 'issue_join_token', instanceId: of, role: 'agent', tokenId: `j${roll}`, expiresAt: null }),
      () =>
        cluster({
          type: 'ready',
          instanceId: of,
          role: pick(['server', 'agent']),
          version: 'v1.31.0+k3s1',
          nodeName: 'node',
        }),
      () => cluster({ type: pick(['draining', 'uncordoned', 'ready_again']), instanceId: of }),
      () => cluster({ type: pick(['not_ready', 'remove_node']), instanceId: of, reason: 'told so' }),
      () => cluster({ type: 'degrade', reason: 'one is away' }),
      () => cluster({ type: 'recover' }),
      () => (die(6) === 0 ? cluster({ type: 'decommission' }) : cluster({ type: 'recover' })),
    ],
  ];
};

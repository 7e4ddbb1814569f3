import { accountDecider, masterKeyDecider, operatorDecider } from '#access';
import { instanceDecider, nodeDecider, templateDecider } from '#fleet';
import { deterministicId, deterministicUuid, sha256Hex, type Decider, type DomainEvent } from '#kernel';
import { signingKeysDecider } from '../../libs/audit/src/domain/signing-keys.js';
import { webhookDecider } from '../../libs/consumers/src/domain/webhook/decide.js';
import { clusterDecider } from '../../libs/kubernetes/src/domain/cluster/decide.js';
import { accessGrantDecider } from '../../libs/sdwan/src/domain/access-grant/decide.js';
import { networkDecider } from '../../libs/sdwan/src/domain/network/decide.js';
import { peerDecider } from '../../libs/sdwan/src/domain/peer/decide.js';
import { virtualIpDecider } from '../../libs/sdwan/src/domain/virtual-ip/decide.js';

export interface Step {
  readonly stream: string;
  readonly decider: Decider<unknown, unknown, DomainEvent>;
  readonly command: unknown;
}

/** Few of each kind, so that histories of one thing are long and things meet again. */
const FEW = 3;
type Dice = () => number;

const hex = (n: number) => sha256Hex(`hex ${n}`);
const wireguardKey = (n: number) => Buffer.from(hex(n), 'hex').toString('base64');
const step = <S, C, E extends DomainEvent>(stream: string, decider: Decider<S, C, E>, command: C): Step => ({
  stream,
  decider: decider as unknown as Step['decider'],
  command,
});

/**
 * Commands of every context, as its handlers give them to its deciders, in any order: many are refused or change nothing, which
 * is what deciders are for. What is accepted is a valid history.
 */
export const randomStep = (dice: Dice): Step => {
  const die = (sides: number) => Math.floor(dice() * sides);
  const pick = <T>(of: readonly T[]): T => of[die(of.length)]!;
  const n = die(FEW);
  const id = {
    account: deterministicId('account', 'one'),
    operator: deterministicId('operator', n),
    template: deterministicId('template', n),
    node: deterministicId('node', n),
    instance: deterministicId('instance', n),
    network: deterministicId('sdwan_network', n),
    peer: deterministicId('sdwan_peer', n),
    vip: deterministicId('virtual_ip', n),
    grant: deterministicId('access_grant', n),
    cluster: deterministicId('cluster', n),
    webhook: deterministicId('webhook', n),
  };
  const member = (k: number) => ({
    instance_id: deterministicId('instance', k),
    peer_id: deterministicId('sdwan_peer', k),
  });
  const roll = die(100_000);
  const assignment = (k: number) => ({
    assignment_id: deterministicUuid('assignment', k),
    module_name: pick(['k3s-server', 'k3s-agent', 'docker-engine']),
    config: {},
    priority: 100,
    enabled: true,
    suspended: null,
  });
  const presence = {
    boot_id: deterministicUuid('boot', roll % 4),
    agent_version: '0.1.0',
    architecture: 'x64',
    hostname: `node-${n}`,
    memory_bytes: 1_000_000 + roll,
    underlay_addresses: [`192.0.2.${1 + (roll % 200)}`],
    capabilities: { wireguard: 'kernel' },
  };
  const token = { token_id: `t${roll % 5}`, token_digest: hex(roll % 5), permissions: ['*'], expires_at: null };
  const certificate = {
    serial: hex(roll),
    publicKeyDigest: hex(n),
    notAfter: '2030-01-01T00:00:00.000Z',
    derBase64: 'AA==',
  };

  const template = (command: Parameters<typeof templateDecider.decide>[0]) =>
    step(id.template, templateDecider, command);
  const instance = (command: Parameters<typeof instanceDecider.decide>[0]) =>
    step(id.instance, instanceDecider, command);
  const peer = (command: Parameters<typeof peerDecider.decide>[0]) => step(id.peer, peerDecider, command);
  const vip = (command: Parameters<typeof virtualIpDecider.decide>[0]) => step(id.vip, virtualIpDecider, command);
  const cluster = (command: Parameters<typeof clusterDecider.decide>[0]) => step(id.cluster, clusterDecider, command);
  const network = (command: Parameters<typeof networkDecider.decide>[0]) => step(id.network, networkDecider, command);
  const webhook = (command: Parameters<typeof webhookDecider.decide>[0]) => step(id.webhook, webhookDecider, command);
  const of = deterministicId('instance', die(FEW));

  const contexts: (readonly (() => Step)[])[] = [
    [
      () => step(id.account, accountDecider, { type: 'create_account', accountId: id.account, name: 'one' }),
      () => step(id.account, accountDecider, { type: 'claim_name', kind: 'node', name: `name-${die(4)}`, id: id.node }),
      () =>
        step(id.account, accountDecider, { type: 'release_name', kind: 'node', name: `name-${die(4)}`, id: id.node }),
      () =>
        step(id.operator, operatorDecider, {
          type: 'create_operator',
          operatorId: id.operator,
          accountId: id.account,
          name: 'op',
          token,
        }),
      () => step(id.operator, operatorDecider, { type: 'create_token', token }),
      () => step(id.operator, operatorDecider, { type: 'revoke_token', tokenId: token.token_id }),
      () =>
        step('master_key-platform', masterKeyDecider, {
          type: 'start',
          fingerprint: hex(n),
          previous: hex(n + 1),
          request: `r${roll}`,
        }),
      () => step('master_key-platform', masterKeyDecider, { type: 'finish', fingerprint: hex(n) }),
    ],
    [
      () => template({ kind: 'create', templateId: id.template, name: `template-${n}`, description: '', driver: null }),
      () => template({ kind: 'update', description: `text ${roll}` }),
      () =>
        template({
          kind: 'assign',
          moduleName: pick(['k3s-server', 'docker-engine']),
          config: {},
          priority: die(200),
          enabled: die(2) === 0,
          newAssignmentId: deterministicUuid('assignment', roll),
        }),
      () => template({ kind: 'unassign', moduleName: pick(['k3s-server', 'docker-engine']) }),
      () => template({ kind: 'delete', usedBy: [] }),
      () =>
        step(id.node, nodeDecider, {
          kind: 'create',
          nodeId: id.node,
          name: `node-${n}`,
          templateId: id.template,
          description: '',
        }),
      () => step(id.node, nodeDecider, { kind: 'delete', liveInstance: undefined }),
    ],
    [
      () =>
        instance({
          kind: 'provision',
          instanceId: id.instance,
          nodeId: id.node,
          name: `node-${n}`,
          templateId: id.template,
          driver: 'existing',
          cniPlugin: null,
        }),
      () => instance({ kind: 'issue_token', tokenId: `t${roll}`, tokenDigest: hex(n), expiresAtMs: 4_000_000_000_000 }),
      () =>
        instance({
          kind: 'enroll',
          tokenDigest: hex(n),
          publicKeyDigest: hex(n),
          nowMs: 1_700_000_000_000,
          certificate,
          agentVersion: '0.1.0',
          hostname: `node-${n}`,
          machineId: hex(n).slice(0, 32),
        }),
      () => instance({ kind: 'online', presence }),
      () => instance({ kind: 'lost', silentMs: roll }),
      () => instance({ kind: 'returned' }),
      () => instance({ kind: 'renew', certificate }),
      () => instance({ kind: 'request_drain', timeoutSeconds: 60 }),
      () => instance({ kind: 'mark_drained', evictedPods: die(9), warnings: [] }),
      () => instance({ kind: 'uncordon' }),
      () =>
        instance({
          kind: 'sync_modules',
          templateId: id.template,
          templateVersion: roll,
          assignments: [assignment(die(3))],
          reasons: {},
        }),
      () => instance({ kind: 'installing', moduleName: 'docker-engine' }),
      () => instance({ kind: 'change_template', templateId: deterministicId('template', die(FEW)) }),
      () => (die(6) === 0 ? instance({ kind: pick(['terminate', 'forget']) }) : instance({ kind: 'online', presence })),
    ],
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
    [
      () =>
        webhook({
          type: 'create',
          webhook: {
            webhook_id: id.webhook,
            name: `hook-${n}`,
            origin: 'https://example.com',
            endpoint_ref: `${id.webhook}#endpoint`,
            kind_prefix: [],
            stream: [],
            subject: [],
            severity: 'info',
            max_attempts: 3,
          },
        }),
      () =>
        webhook({
          type: 'report',
          health: pick(['failing', 'dead_lettering']),
          eventId: deterministicUuid('e', roll),
          attempts: 3,
          error: 'HTTP 500',
        }),
      () => webhook({ type: 'report', health: 'well' }),
      () =>
        die(4) === 0
          ? webhook({ type: 'delete' })
          : webhook({ type: 'redeliver', eventIds: [deterministicUuid('e', roll)] }),
      () =>
        step('audit_keys-seals', signingKeysDecider, {
          type: 'record_rotation',
          key: { key_id: hex(n), previous_key_id: hex(n + 1), sequence: 2 + n },
        }),
    ],
  ];
  return pick(pick(contexts))();
};

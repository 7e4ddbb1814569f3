import { accountDecider, loginRefusals, masterKeyDecider, operatorDecider, secretSubjectDecider } from '#access';
import { instanceDecider, moduleVersionsDecider, nodeDecider, templateDecider } from '#fleet';
import { dockerClientsDecider, dockerHostDecider } from '#docker';
import type { DomainEvent } from '#kernel';
import { signingKeysDecider } from '../../../libs/audit/src/domain/signing-keys.js';
import { approvalDecider, policyDecider } from '#tools';
import { webhookDecider } from '../../../libs/consumers/src/domain/webhook/decide.js';
import { joinRefusals } from '../../../libs/kubernetes/src/application/join-refusals.js';
import { clusterDecider } from '../../../libs/kubernetes/src/domain/cluster/decide.js';
import {
  policyDecider as snapshotPolicyDecider,
  restoreDecider,
  snapshotDecider,
} from '../../../libs/kubernetes/src/domain/snapshots/decide.js';
import { kubeconfigDecider } from '../../../libs/kubernetes/src/domain/kubeconfigs/decide.js';
import { nodeWorkDecider } from '../../../libs/kubernetes/src/domain/node-work/decide.js';
import { rolloutDecider } from '../../../libs/kubernetes/src/domain/upgrade/decide.js';
import { accessGrantDecider } from '../../../libs/sdwan/src/domain/access-grant/decide.js';
import { addressLedgerDecider } from '../../../libs/sdwan/src/domain/address-ledger/decide.js';
import { claimLedgerDecider } from '../../../libs/sdwan/src/domain/claim-ledger/decide.js';
import { firewallDecider } from '../../../libs/sdwan/src/domain/firewall/decide.js';
import { routingDecider } from '../../../libs/sdwan/src/domain/ibgp/routing.js';
import { networkDecider } from '../../../libs/sdwan/src/domain/network/decide.js';
import { prefixDecider } from '../../../libs/sdwan/src/domain/network/prefixes.js';
import { portLedgerDecider } from '../../../libs/sdwan/src/domain/port-ledger/decide.js';
import { peerDecider } from '../../../libs/sdwan/src/domain/peer/decide.js';
import { virtualIpDecider } from '../../../libs/sdwan/src/domain/virtual-ip/decide.js';

/** A fold of a stream, whatever its state. */
export interface StreamFold {
  readonly initial: unknown;
  evolve(state: unknown, event: DomainEvent): unknown;
}
const fold = (decider: object): StreamFold => decider as StreamFold;

/** Every fold that the Transactor runs, by the category of the streams that it is run on. */
export const STREAM_FOLDS: Readonly<Record<string, readonly StreamFold[]>> = {
  account: [fold(accountDecider)],
  account_prefixes: [fold(prefixDecider)],
  operator: [fold(operatorDecider)],
  login: [fold(loginRefusals)],
  secret_subject: [fold(secretSubjectDecider)],
  master_key: [fold(masterKeyDecider)],
  template: [fold(templateDecider)],
  node: [fold(nodeDecider)],
  module: [fold(moduleVersionsDecider)],
  instance: [fold(instanceDecider), fold(joinRefusals)],
  sdwan_network: [fold(networkDecider)],
  address_ledger: [fold(addressLedgerDecider), fold(claimLedgerDecider)],
  port_ledger: [fold(portLedgerDecider)],
  sdwan_peer: [fold(peerDecider), fold(routingDecider)],
  virtual_ip: [fold(virtualIpDecider)],
  access_grant: [fold(accessGrantDecider)],
  firewall_rule: [fold(firewallDecider)],
  webhook: [fold(webhookDecider)],
  approval: [fold(approvalDecider)],
  tool_policy: [fold(policyDecider)],
  audit_keys: [fold(signingKeysDecider)],
  cluster: [fold(clusterDecider)],
  k3s_node: [fold(nodeWorkDecider)],
  etcd_snapshot: [fold(snapshotDecider)],
  etcd_restore: [fold(restoreDecider)],
  snapshot_policy: [fold(snapshotPolicyDecider)],
  kubeconfig: [fold(kubeconfigDecider)],
  cluster_rollout: [fold(rolloutDecider)],
  docker_host: [fold(dockerHostDecider)],
  docker_clients: [fold(dockerClientsDecider)],
  // Orders are for the platform itself: nothing folds their stream.
  projection: [],
  // An inbox is folded by its process manager; those are tried with every event.
  pm_sdwan: [],
};

import type { PastViews } from '#audit';
import type { OperatorDoc } from '#access';
import { webhookAtRest, type WebhookDoc } from '#consumers';
import { hostView, type DockerHostDoc } from '#docker';
import { instanceView, nodeView, templateView, type InstanceDoc, type NodeDoc, type TemplateDoc } from '#fleet';
import {
  clusterOutput,
  kubeconfigOutput,
  nodeOutput,
  restoreOutput,
  snapshotOutput,
  type ClusterDoc,
  type KubeconfigDoc,
  type SnapshotDoc,
} from '#kubernetes';
import {
  grantView,
  movesView,
  networkAtRest,
  peerAtRest,
  ruleView,
  virtualIpView,
  type NetworkDoc,
  type PeerDoc,
  type VirtualIpDoc,
} from '#sdwan';
import { operatorView, tokensView } from '#tools';

/**
 * What was, in the words of what is: the very views that the tools of each context answer with. Of networks and peers without what
 * only live parts know (what agents have applied, the endpoint in use), of firewall rules without what their selectors stand for now, of
 * webhooks without what they delivered; a Docker host is as it last said. Tokens, grants and kubeconfigs are over or not by the clock of then.
 */
export const pastViews: PastViews = {
  templates: (doc: TemplateDoc, { count }) => templateView(doc, count('nodes', 'template_id', doc.id)),
  nodes: (doc: NodeDoc) => nodeView(doc),
  instances: (doc: InstanceDoc) => instanceView(doc),
  clusters: (doc: ClusterDoc) => ({ ...clusterOutput(doc), nodes: doc.nodes.map((node) => nodeOutput(node, doc)) }),
  networks: (doc: NetworkDoc) => networkAtRest(doc),
  peers: (doc: PeerDoc) => peerAtRest(doc),
  virtual_ips: (doc: VirtualIpDoc) => ({ ...virtualIpView(doc), moves: movesView(doc) }),
  firewall_rules: (doc: Parameters<typeof ruleView>[0]) => ({
    ...atRest(ruleView(doc, undefined)),
    status: doc.status,
  }),
  grants: (doc: Parameters<typeof grantView>[0], { atMs }) => grantView(doc, atMs),
  docker_hosts: ({ host, state_since }: DockerHostDoc) => hostView(host, state_since, true),
  snapshots: (doc: SnapshotDoc) => ({
    ...(doc.kind === 'snapshot' ? snapshotOutput(doc) : restoreOutput(doc)),
    kind: doc.kind,
  }),
  kubeconfigs: (doc: KubeconfigDoc, { atMs }) => kubeconfigOutput(doc, atMs),
  webhooks: (doc: WebhookDoc) => webhookAtRest(doc),
  operators: (doc: OperatorDoc, { atMs }) => ({ ...operatorView(doc, atMs), tokens: tokensView(doc, atMs) }),
};

/** An empty list would say that the rule matched nothing. */
const atRest = ({ resolves: _now, ...view }: ReturnType<typeof ruleView>) => view;

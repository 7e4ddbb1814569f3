import type { PastViews } from '#audit';
import { instanceView, nodeView, templateView, type InstanceDoc, type NodeDoc, type TemplateDoc } from '#fleet';
import { clusterOutput, nodeOutput, type ClusterDoc } from '#kubernetes';
import {
  movesView,
  networkAtRest,
  peerAtRest,
  ruleView,
  virtualIpView,
  type NetworkDoc,
  type PeerDoc,
  type VirtualIpDoc,
} from '#sdwan';

/**
 * What was, in the words of what is: the very views that the tools of each context answer with. Of networks and peers without what
 * only live parts know (what agents have applied, the endpoint in use), and of firewall rules without what their selectors stand for now.
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
};

/** An empty list would say that the rule matched nothing. */
const atRest = ({ resolves: _now, ...view }: ReturnType<typeof ruleView>) => view;

import { z } from 'zod';
import { defineTool } from '#tools';

const cluster_id = z.string().min(1).max(200).describe('Cluster id, slug or name');
const provision = 'system.kubernetes_provision';
const aliases = { id: 'cluster_id', name: 'cluster_id' };

const nodeShape = z.object({
  instance_id: z.string(),
  name: z.string(),
  role: z.enum(['control-plane', 'worker']),
  canary: z.boolean(),
  from_version: z.string().nullable(),
  phase: z.enum(['pending', 'draining', 'changing', 'verifying', 'done', 'failed', 'skipped']),
  since: z.string().nullable(),
  error: z.string().nullable(),
});

export const rolloutShape = z.object({
  cluster_id: z.string(),
  run: z.number().int().describe('Counts the rollouts of the cluster; 0 when there was nothing to do'),
  kind: z.enum(['upgrade', 'certificates', 'server_token']),
  state: z.string().describe('running, paused, stopped, aborting, rolling_back, completed, aborted or rolled_back'),
  to_version: z.string().nullable(),
  percent: z.number().int(),
  nodes_done: z.number().int(),
  nodes_total: z.number().int(),
  nodes: z.array(nodeShape).describe('In the order in which they are changed'),
  left_out: z.array(z.object({ instance_id: z.string(), name: z.string(), reason: z.string() })),
  max_unavailable: z.number().int(),
  canary: z.number().int(),
  last_error: z.string().nullable(),
  next_action: z.string().nullable(),
});
export type RolloutOutput = z.input<typeof rolloutShape>;

const pace = {
  max_unavailable: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe('Workers that may be away at once; servers go one by one'),
  drain: z.boolean().default(true).describe('Move virtual IPs and pods away before a node is changed'),
  drain_timeout_seconds: z.number().int().min(10).max(3_600).default(300),
  node_timeout_seconds: z.number().int().min(30).max(7_200).default(600).describe('For a node to be healthy again'),
};
const follow = {
  tool: 'kubernetes_get_upgrade',
  argument: 'cluster_id',
  id: 'upgrade.cluster_id',
  state: 'upgrade.state',
  phases: ['running', 'aborting', 'rolling_back'],
  done: ['completed', 'rolled_back', 'aborted'],
  failed: ['stopped'],
  error: 'upgrade.last_error',
} as const;
const output = z.object({ upgrade: rolloutShape });

export const upgradeCluster = defineTool({
  name: 'kubernetes_upgrade_cluster',
  group: 'kubernetes',
  summary: 'Upgrade a cluster to another version, node by node',
  description:
    'Servers one by one with their virtual IP moved away first, then workers; canaries first, a health gate after each node. It stops ' +
    'at a failure and can be paused, resumed, aborted and rolled back. Minors are not skipped and nothing is downgraded. dry_run shows the plan.',
  input: z.object({
    cluster_id,
    version: z.string().min(1).max(100).describe('A staging, blessed or live version of k3s-server'),
    canary: z
      .number()
      .int()
      .min(0)
      .max(20)
      .default(1)
      .describe('Workers (and the first server) that go first and are watched'),
    canary_soak_seconds: z.number().int().min(0).max(86_400).default(30),
    ...pace,
  }),
  output,
  permission: provision,
  danger: 'change',
  disruptive: true,
  target: 'cluster_id',
  follow,
  aliases: { ...aliases, to_version: 'version' },
  examples: [{ title: 'To the next minor', arguments: { cluster_id: 'k3s-cluster-1', version: 'v1.31.2+k3s1' } }],
  cli: ['cluster', 'upgrade'],
});

export const getUpgrade = defineTool({
  name: 'kubernetes_get_upgrade',
  group: 'kubernetes',
  summary: 'Show how the last rollout of a cluster stands',
  description:
    'Upgrade, certificate or token rotation: state, percent, and the phase of every node with its last error.',
  input: z.object({ cluster_id }),
  output,
  permission: 'system.kubernetes.read',
  danger: 'read',
  aliases,
  examples: [{ title: 'How far it is', arguments: { cluster_id: 'k3s-cluster-1' } }],
  cli: ['cluster', 'upgrade-status'],
});

const control = (action: 'pause' | 'resume' | 'abort' | 'rollback', summary: string, description: string) =>
  defineTool({
    name: `kubernetes_${action}_upgrade`,
    group: 'kubernetes',
    summary,
    description,
    input: z.object({ cluster_id }),
    output,
    permission: provision,
    danger: 'change',
    ...(action === 'rollback' ? { disruptive: true, target: 'cluster_id' as const } : {}),
    follow,
    aliases,
    examples: [{ title: summary, arguments: { cluster_id: 'k3s-cluster-1' } }],
    cli: ['cluster', `${action}-upgrade`],
  });

export const pauseUpgrade = control(
  'pause',
  'Pause a rollout between nodes',
  'Nodes under way end first; no further one begins until it is resumed.',
);
export const resumeUpgrade = control(
  'resume',
  'Resume a paused or stopped rollout',
  'A node that failed is tried again first. After an upgrade was paused it goes on where it was.',
);
export const abortUpgrade = control(
  'abort',
  'Abort a rollout',
  'Nodes under way end first, the others keep what they run. A rollback stays possible until the next rollout.',
);
export const rollbackUpgrade = control(
  'rollback',
  'Roll the last upgrade back',
  'Every node that was changed gets the version back that it ran, workers before servers, with the same gates. After a change of ' +
    'minor version restoring a snapshot of that time may be needed: Kubernetes does not promise to read what a newer minor stored.',
);

const rotate = (what: 'certificates' | 'server_token', summary: string, description: string) =>
  defineTool({
    name: `kubernetes_rotate_${what}`,
    group: 'kubernetes',
    summary,
    description,
    input: z.object({ cluster_id, ...pace }),
    output,
    permission: provision,
    danger: 'change',
    disruptive: true,
    target: 'cluster_id',
    follow,
    aliases,
    examples: [{ title: summary, arguments: { cluster_id: 'k3s-cluster-1' } }],
    cli: ['cluster', `rotate-${what.replace('_', '-')}`],
  });

export const rotateCertificates = rotate(
  'certificates',
  'Renew the certificates of a cluster, node by node',
  'Every node makes its K3s certificates anew and restarts, with the gates of an upgrade; the stored kubeconfig follows. It happens ' +
    'by itself before certificates end.',
);
export const rotateServerToken = rotate(
  'server_token',
  'Replace the server token of a cluster, server by server',
  'A new token is made, K3s encrypts its datastore with it, every server is given it, and then the servers restart one by one, with the gates ' +
    'of an upgrade; the former one is refused from then on. Workers join with tokens of their own and are not touched. The former token ' +
    'is kept for snapshots that were made with it. Once it has begun it can be paused and resumed, but not aborted.',
);
export const upgradeTools = [
  upgradeCluster,
  getUpgrade,
  pauseUpgrade,
  resumeUpgrade,
  abortUpgrade,
  rollbackUpgrade,
  rotateCertificates,
  rotateServerToken,
] as const;

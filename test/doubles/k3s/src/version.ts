/** Another one makes it another release, for tests of upgrades. */
export const K3S_VERSION = process.env['K3S_DOUBLE_VERSION'] ?? 'v1.30.5+k3s1';
export const GIT_COMMIT = '9b58670433c3d4b1a1d3d1f1e3a5f0e5d8e3f1a2';

/** Knobs that shorten waits in tests; the real binary has none of them, so nothing but tests may set them. */
const ms = (name: string, fallback: number): number => Number(process.env[name] ?? fallback);
export const tuning = {
  /** Real: node-monitor-grace-period 40 s (50 s from v1.32). */
  nodeGraceMs: ms('K3S_DOUBLE_NODE_GRACE_MS', 40_000),
  /** Real: 10 s. */
  leaseRenewMs: ms('K3S_DOUBLE_LEASE_RENEW_MS', 10_000),
  /** How long a pod stays ContainerCreating: the real one pulls an image. */
  podStartMs: ms('K3S_DOUBLE_POD_START_MS', 700),
  /** Events kept for watches to resume from; the real one keeps those of the last five minutes. */
  history: ms('K3S_DOUBLE_HISTORY', 2_000),
  /** Real etcd in k3s: 5 s; shorter here so that a test of a takeover stays short. */
  electionMs: ms('K3S_DOUBLE_ELECTION_MS', 1_000),
  /** Real: 15 s (kube-controller-manager's leader election); only where the datastore is a database elsewhere. */
  leaderLeaseMs: ms('K3S_DOUBLE_LEADER_LEASE_MS', 15_000),
  /** Real: 1 s. Until then a server may not know what another one wrote (it asks before it answers a read). */
  kinePollMs: ms('K3S_DOUBLE_KINE_POLL_MS', 1_000),
  /** How long `token rotate` takes to answer after everything has the new token: who asked may die meanwhile. */
  tokenRotateMs: ms('K3S_DOUBLE_TOKEN_ROTATE_MS', 0),
  /** Real: 2380 without a flag. */
  peerPort: ms('K3S_DOUBLE_PEER_PORT', 2380),
  /** Real: /etc/rancher without a flag. */
  etcDir: process.env['K3S_DOUBLE_ETC'] ?? '/etc/rancher',
};

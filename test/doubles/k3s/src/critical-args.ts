/** What all servers must have alike (k3s-io/k3s pkg/daemons/config, CriticalControlArgs): those of them that the stand-in acts on. */
export interface CriticalArgs {
  readonly ClusterIPRange: string;
  readonly FlannelBackend: string;
}

export const criticalOf = (options: {
  readonly clusterCidr: string;
  readonly flannelBackend: string;
}): CriticalArgs => ({
  ClusterIPRange: options.clusterCidr,
  FlannelBackend: options.flannelBackend,
});

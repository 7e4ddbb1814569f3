import { listed, type ListedProjection } from '#processing';
import { clustersProjection } from './clusters.js';
import { kubeconfigsProjection } from './kubeconfigs.js';
import { snapshotsProjection } from './snapshots.js';

export const kubernetesProjections: readonly ListedProjection[] = [
  listed(clustersProjection),
  listed(snapshotsProjection),
  listed(kubeconfigsProjection),
];

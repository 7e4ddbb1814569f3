import { listed, type ListedProjection } from '#processing';
import { clustersProjection } from './clusters.js';

export const kubernetesProjections: readonly ListedProjection[] = [listed(clustersProjection)];

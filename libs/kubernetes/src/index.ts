export * from './domain/events.js';
export { KUBE_APIS, type KubeApi, type KubeApiSource, type KubeApiTarget } from './application/kube-api.js';
export { KubernetesModule } from './kubernetes.module.js';
export { clustersProjection, type ClusterDoc } from './projections/clusters.js';
export { kubernetesProjections } from './projections/index.js';
export { kubernetesTools } from './tools/definitions.js';
export { clusterOutput, nodeOutput } from './tools/views.js';

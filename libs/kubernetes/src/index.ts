export * from './domain/events.js';
export { KubernetesModule } from './kubernetes.module.js';
export { clustersProjection, type ClusterDoc } from './projections/clusters.js';
export { kubernetesTools } from './tools/definitions.js';

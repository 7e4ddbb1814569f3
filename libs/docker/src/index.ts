export * from './domain/events.js';
export { dockerClientsDecider } from './domain/clients.js';
export { dockerHostDecider } from './domain/host.js';
export { DockerModule } from './docker.module.js';
export { dockerHosts, dockerProjections, type DockerHostDoc } from './projections/index.js';
export { dockerTools } from './tools/definitions.js';
export { hostView } from './tools/register.js';

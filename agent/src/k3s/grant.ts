import type { agentV1 } from '#proto';
import type { Files } from '../ports.js';
import type { K3sPaths } from './paths.js';
import { joinFromConfig, joinFromDropIn, type JoinGrant, type K3sSpec } from './render.js';

/** What a join request was answered with. */
export const grantOf = (spec: K3sSpec, ack: agentV1.PhaseAck): JoinGrant => {
  const token = spec.kind === 'k3s_server' ? ack.serverToken : ack.agentToken;
  const external = spec.kind === 'k3s_server' && spec.datastore === 'external';
  if (token === '' || (external ? ack.datastoreEndpoint === '' : ack.apiEndpoint === ''))
    throw new Error(`the platform answered a join request without token or ${external ? 'datastore' : 'endpoint'}`);
  const { apiEndpoint, datastoreEndpoint } = ack;
  return external ? { apiEndpoint, token, datastoreEndpoint } : { apiEndpoint, token };
};

export const serviceName = (spec: K3sSpec): string => (spec.kind === 'k3s_server' ? 'k3s' : 'k3s-agent');

/** The one of an earlier join, from what was written for K3s then. */
export const storedGrant = async (spec: K3sSpec, files: Files, paths: K3sPaths): Promise<JoinGrant | undefined> => {
  const text = (await files.read(spec.kind === 'k3s_agent' ? paths.dropIn : paths.config))?.toString('utf8');
  if (text === undefined) return undefined;
  return spec.kind === 'k3s_agent' ? joinFromDropIn(text) : joinFromConfig(text);
};

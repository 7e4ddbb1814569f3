import { z } from 'zod';
import { defineTool, resourceStatus } from '#tools';

const host = z.object({
  id: z.string(),
  name: z.string(),
  node_instance_id: z.string(),
  status: z.enum(['pending', 'connected', 'disconnected', 'stopped', 'decommissioned']),
  api_endpoint: z.string(),
  version: z.string().nullable(),
  certificate_not_after: z.string().nullable(),
  state_since: z.string(),
  next_action: z.string().nullable(),
  ...resourceStatus,
});
export type HostOutput = z.input<typeof host>;
const provision = 'system.docker_provision';
const host_id = z.string().min(1).max(200).describe('Id or name of the Docker host');

export const provisionDockerRuntime = defineTool({
  name: 'system_provision_docker_runtime',
  group: 'docker',
  summary: 'Make an instance a managed Docker host',
  description:
    'Docker Engine is bound to the instance’s overlay address with mutual TLS; the key is made on the node. The module docker-engine ' +
    'must be assigned to its template and a peer attached (422 MissingSdwanPeerError). The host is pending until it reports ready.',
  input: z.object({ node_instance_id: z.string().min(1).max(200).describe('Id or name of the instance') }),
  output: z.object({ host }),
  permission: provision,
  danger: 'change',
  aliases: { id: 'node_instance_id', instance_id: 'node_instance_id' },
  examples: [{ title: 'A machine with docker-engine and a peer', arguments: { node_instance_id: 'gw-1' } }],
  cli: ['docker', 'provision'],
});

export const listDockerHosts = defineTool({
  name: 'system_list_managed_docker_hosts',
  group: 'docker',
  summary: 'List managed Docker hosts',
  description: 'Hosts with status, endpoint, version and the end of their certificate. Decommissioned ones on request.',
  input: z.object({ include_decommissioned: z.boolean().default(false) }),
  output: z.object({ hosts: z.array(host) }),
  permission: 'system.docker.read',
  danger: 'read',
  cli: ['docker', 'list'],
});

export const decommissionDockerRuntime = defineTool({
  name: 'system_decommission_docker_runtime',
  group: 'docker',
  summary: 'Take a Docker host out of service',
  description:
    'The agent stops the daemon; images, volumes and the instance stay. system_provision_docker_runtime brings it back.',
  input: z.object({ host_id }),
  output: z.object({ decommissioned: z.boolean(), host }),
  permission: provision,
  danger: 'destroy',
  aliases: { id: 'host_id', name: 'host_id' },
  examples: [{ title: 'Stop its daemon', arguments: { host_id: 'gw-1' } }],
  cli: ['docker', 'decommission'],
});

export const issueDockerClient = defineTool({
  name: 'system_issue_docker_client',
  group: 'docker',
  summary: 'Issue a client certificate for the Docker hosts of the account',
  description:
    'A key and a short-lived certificate, shown once: save them as ca.pem, cert.pem and key.pem for DOCKER_CERT_PATH. Whoever has them is ' +
    'root on every Docker host until they end. SDWAN access is needed besides (system_sdwan_create_access_grant).',
  input: z.object({ ttl_seconds: z.number().int().min(60).max(86_400).default(3_600) }),
  output: z.object({ ca_pem: z.string(), cert_pem: z.string(), key_pem: z.string(), expires_at: z.string() }),
  permission: provision,
  danger: 'change',
  cli: ['docker', 'issue-client'],
});

export const dockerTools = [
  provisionDockerRuntime,
  listDockerHosts,
  decommissionDockerRuntime,
  issueDockerClient,
] as const;

import type { CertificateAuthority } from '#access';
import type { AgentLink } from '#agent-gateway';
import { findInstance, resolveByIdOrName } from '#fleet';
import type { ReadModels } from '#processing';
import { statusOfState, type ToolCall, type ToolRegistrar } from '#tools';
import type { DockerClientCa } from '../application/client-ca.js';
import { DecommissionDockerRuntime, ProvisionDockerRuntime } from '../application/commands.js';
import type { DockerHosts } from '../application/hosts.js';
import type { DockerHost } from '../domain/host.js';
import { dockerHosts, type DockerHostDoc } from '../projections/index.js';
import * as tools from './definitions.js';

interface Deps {
  readonly readModels: ReadModels;
  readonly hosts: DockerHosts;
  readonly clients: DockerClientCa;
  readonly authority: Pick<CertificateAuthority, 'caPem'>;
  readonly link: Pick<AgentLink, 'liveness'>;
}

const NEXT: Readonly<Record<DockerHost['status'], string | null>> = {
  pending: 'the agent installs and asks for its certificate; recent_events({kind_prefix: "system.docker"})',
  connected: null,
  stopped: 'look at the agent’s log on the node',
  decommissioned: 'system_provision_docker_runtime brings it back',
};

export const hostView = (host: DockerHost, since: string, connected: boolean): tools.HostOutput => {
  const away = host.status === 'connected' && !connected;
  return {
    id: host.hostId,
    name: host.name,
    node_instance_id: host.instanceId,
    status: away ? 'disconnected' : host.status,
    api_endpoint: host.apiEndpoint,
    version: host.version,
    certificate_not_after: host.certificateNotAfter,
    state_since: since,
    next_action: away ? 'the agent is not connected: bring the machine back' : NEXT[host.status],
    ...statusOfState({
      state: away ? 'disconnected' : host.status,
      ready: ['connected'],
      progressing: ['pending'],
      resting: ['decommissioned'],
      since,
      error: away ? 'the agent is not connected' : null,
      generation: host.generation,
      observedGeneration: host.observed,
    }),
  };
};

export const registerDockerTools = (registrar: ToolRegistrar, deps: Deps): void => {
  const view = (host: DockerHost, since: string) =>
    hostView(host, since, deps.link.liveness(host.instanceId).connected);
  const shown = async (id: string, call: ToolCall): Promise<tools.HostOutput> => {
    await call.settle(dockerHosts);
    const doc = await deps.readModels.get(dockerHosts, id);
    if (doc !== undefined) return view(doc.host, doc.state_since);
    const state = await deps.hosts.read(id);
    if (state === undefined || state.status === 'absent') throw new Error(`there is no Docker host ${id}`);
    return view(state, new Date(call.context.nowMs).toISOString());
  };
  const find = (wanted: string, call: ToolCall): Promise<DockerHostDoc> =>
    resolveByIdOrName(deps.readModels, dockerHosts, wanted, {
      account: call.accountId,
      kind: 'docker_host',
      field: 'host_id',
      listTool: 'system_list_managed_docker_hosts',
      describe: ({ id, host }) => ({ id, name: host.name }),
      prefer: ({ host }) => host.status !== 'decommissioned',
    });

  registrar.add(tools.provisionDockerRuntime, async (input, call) => {
    const instance = await findInstance(deps.readModels, call.accountId, input.node_instance_id, 'node_instance_id');
    const { host_id } = await call.run(ProvisionDockerRuntime, { instance_id: instance.id });
    return { host: await shown(host_id, call) };
  });
  registrar.add(tools.listDockerHosts, async (input, call) => {
    const docs = await deps.readModels.find(dockerHosts, { where: { account: call.accountId } });
    const hosts = docs.filter((doc) => input.include_decommissioned || doc.host.status !== 'decommissioned');
    return { hosts: hosts.map((doc) => view(doc.host, doc.state_since)) };
  });
  registrar.add(tools.decommissionDockerRuntime, async (input, call) => {
    const { id } = await find(input.host_id, call);
    await call.run(DecommissionDockerRuntime, { host_id: id });
    return { decommissioned: true, host: await shown(id, call) };
  });
  registrar.add(tools.issueDockerClient, async (input, call) => {
    const issued = await deps.clients.issue(call.context.actor.id, input.ttl_seconds * 1_000, call.context);
    const { certPem: cert_pem, keyPem: key_pem, notAfter: expires_at } = issued;
    return { ca_pem: deps.authority.caPem(), cert_pem, key_pem, expires_at };
  });
};

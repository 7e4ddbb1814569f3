import { deterministicId, refusal, RefusedError } from '#kernel';
import type { CommandContext, Transacted, Transactor } from '#processing';
import type { DockerEvent } from '../domain/events.js';
import { dockerHostDecider, type DockerHostCommand, type DockerHostState } from '../domain/host.js';
import type { DockerDirectory } from './directory.js';

/** One Docker host an instance. */
export const hostIdOf = (instanceId: string): string => deterministicId('docker_host', instanceId);

/** Writes Docker hosts. A refusal is thrown as RefusedError. */
export class DockerHosts {
  constructor(
    private readonly transactor: Transactor,
    private readonly directory: DockerDirectory,
  ) {}

  async apply(
    hostId: string,
    command: DockerHostCommand,
    context: CommandContext,
  ): Promise<Exclude<Transacted<DockerHostState, DockerEvent>, { kind: 'refused' }>> {
    const done = await this.transactor.transact(hostId, dockerHostDecider, command, context);
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
    return done;
  }

  async read(hostId: string): Promise<DockerHostState | undefined> {
    return (await this.transactor.read(hostId, dockerHostDecider))?.state;
  }

  /** The host of an instance, requested when there is none yet. */
  request(instanceId: string, context: CommandContext) {
    const known = this.directory.get(instanceId);
    if (known === undefined || known.accountId !== context.accountId)
      throw new RefusedError(
        refusal(404, 'instance_not_found', 'there is no such instance', { field: 'node_instance_id' }),
      );
    if (known.assignment === null)
      throw new RefusedError(
        refusal(403, 'module_not_assigned', `docker-engine is not assigned to ${known.name}`, {
          field: 'node_instance_id',
          hint: 'system_assign_module_to_template({template_id, module_name: "docker-engine"}) on its template',
        }),
      );
    const address = known.peers[0]?.address;
    if (address === undefined) throw new RefusedError(missingPeer(known.name));
    const hostId = hostIdOf(instanceId);
    return this.apply(hostId, { kind: 'request', hostId, instanceId, name: known.name, address }, context);
  }
}

export const missingPeer = (name: string) =>
  refusal(422, 'MissingSdwanPeerError', `${name} has no SDWAN peer: Docker is bound to an overlay address only`, {
    field: 'node_instance_id',
    hint: 'system_sdwan_attach_peer({network_id, node_instance_id})',
  });

import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { RefusedError, TIMERS, sleep, type Timers } from '#kernel';
import type { CommandResult } from '#processing';
import { DecommissionDockerRuntime, ProvisionDockerRuntime } from './commands.js';
import { DockerDirectory } from './directory.js';
import { DockerHosts, hostIdOf } from './hosts.js';

const answered = async <T>(work: () => Promise<CommandResult<T>>): Promise<CommandResult<T>> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal };
    throw error;
  }
};
/** An attachment or assignment that was answered a moment ago may be folded here a moment later. */
const FOLD_MS = 1_000;

@CommandHandler(ProvisionDockerRuntime)
export class ProvisionDockerRuntimeHandler implements ICommandHandler<ProvisionDockerRuntime> {
  constructor(
    private readonly hosts: DockerHosts,
    private readonly directory: DockerDirectory,
    @Inject(TIMERS) private readonly timers: Timers,
  ) {}

  execute({ payload, context }: ProvisionDockerRuntime): Promise<CommandResult<{ host_id: string }>> {
    return answered(async () => {
      for (let waited = 0; waited < FOLD_MS && !this.complete(payload.instance_id); waited += 50)
        await sleep(this.timers, 50);
      const done = await this.hosts.request(payload.instance_id, context);
      const value = { host_id: hostIdOf(payload.instance_id) };
      return { kind: 'done', value, ...(done.kind === 'accepted' ? { position: done.position } : {}) };
    });
  }

  private complete(instanceId: string): boolean {
    const known = this.directory.get(instanceId);
    return known !== undefined && known.assignment !== null && known.peers.length > 0;
  }
}

@CommandHandler(DecommissionDockerRuntime)
export class DecommissionDockerRuntimeHandler implements ICommandHandler<DecommissionDockerRuntime> {
  constructor(private readonly hosts: DockerHosts) {}

  execute({ payload, context }: DecommissionDockerRuntime): Promise<CommandResult<void>> {
    return answered(async () => {
      const done = await this.hosts.apply(payload.host_id, { kind: 'decommission' }, context);
      return { kind: 'done', value: undefined, ...(done.kind === 'accepted' ? { position: done.position } : {}) };
    });
  }
}

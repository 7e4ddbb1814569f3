import { Command } from '#processing';

export class ProvisionDockerRuntime extends Command<{ readonly instance_id: string }, { readonly host_id: string }> {
  static readonly type = 'docker.provision_runtime';
}
export class DecommissionDockerRuntime extends Command<{ readonly host_id: string }, void> {
  static readonly type = 'docker.decommission_runtime';
}

import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, refusal, RefusedError } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { READ_MODELS, TRANSACTOR, Transactor, type CommandResult, type ReadModels } from '#processing';
import { claimName, releaseName } from '#access';
import { networkDecider, podPrefixMayChange } from '../domain/network/decide.js';
import { prefixDecider, type PrefixClaim } from '../domain/network/prefixes.js';
import { firewallDecider } from '../domain/firewall/decide.js';
import { clusterReferences } from '../projections/cluster-references.js';
import { sdwanFirewallRules } from '../projections/firewall-rules.js';
import { sdwanPeers } from '../projections/peers.js';
import { sdwanVirtualIps } from '../projections/virtual-ips.js';
import { CreateNetwork, DeleteNetwork, UpdateNetwork } from './commands.js';
import { prefixStreamOf, refusable, Writes } from './writes.js';

@CommandHandler(CreateNetwork)
export class CreateNetworkHandler implements ICommandHandler<CreateNetwork> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute(command: CreateNetwork): Promise<CommandResult<{ network_id: string }>> {
    return refusable(async () => {
      const { payload, context } = command;
      const writes = new Writes(this.transactor, this.store, context);
      for (let salt = 0; ; salt++) {
        const networkId = deterministicId('sdwan_network', context.commandId, salt);
        const claim = await this.claim(writes, networkId, command);
        if (claim === 'handle_taken') continue;
        const made = await writes.step('create', networkId, networkDecider, {
          kind: 'create',
          networkId,
          name: payload.name,
          handle: claim.handle,
          cidr64: claim.cidr_64,
          cidrV4: claim.cidr_v4,
          routingMode: payload.routing_mode ?? null,
          podSubnetPrefix: claim.pod_subnet_prefix,
        });
        if (made.status !== 'active') throw new RefusedError(deletedSince(networkId, payload.name));
        return writes.done({ network_id: networkId });
      }
    });
  }

  /** Name, then prefixes; what was claimed before a refusal is given back. */
  private async claim(
    writes: Writes,
    networkId: string,
    { payload, context }: CreateNetwork,
  ): Promise<PrefixClaim | 'handle_taken'> {
    const name = { kind: 'network', name: payload.name, id: networkId } as const;
    const named = await claimName(this.transactor, name, context);
    if (named.kind === 'refused') throw new RefusedError(named.refusal);
    const podSubnetPrefix = payload.pod_subnet_prefix ?? null;
    const command = { kind: 'claim', accountId: context.accountId, networkId, podSubnetPrefix } as const;
    const claimed = await writes.attempt(
      `prefix ${networkId}`,
      prefixStreamOf(context.accountId),
      prefixDecider,
      command,
    );
    const held = claimed.kind === 'refused' ? undefined : claimed.state.claims.get(networkId);
    if (held !== undefined) return held;
    await releaseName(this.transactor, name, context);
    // This very call claimed them before, and they were given back with the network.
    if (claimed.kind !== 'refused') throw new RefusedError(deletedSince(networkId, payload.name));
    if (claimed.refusal.code === 'handle_taken') return 'handle_taken';
    throw new RefusedError(claimed.refusal);
  }
}

@CommandHandler(UpdateNetwork)
export class UpdateNetworkHandler implements ICommandHandler<UpdateNetwork> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(READ_MODELS) private readonly reads: ReadModels,
  ) {}

  execute({ payload, context }: UpdateNetwork): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      const network = await writes.network(payload.network_id);
      if (payload.pod_subnet_prefix !== undefined)
        await this.changePrefix(writes, payload.network_id, network.podSubnetPrefix, payload.pod_subnet_prefix);
      const renamed = payload.name !== undefined && payload.name !== network.name;
      if (renamed) {
        const named = await claimName(
          this.transactor,
          { kind: 'network', name: payload.name, id: payload.network_id },
          context,
        );
        if (named.kind === 'refused') throw new RefusedError(named.refusal);
      }
      await writes.step('update', payload.network_id, networkDecider, {
        kind: 'update',
        ...(payload.name === undefined ? {} : { name: payload.name }),
        ...(payload.routing_mode === undefined ? {} : { routingMode: payload.routing_mode }),
        ...(payload.pod_subnet_prefix === undefined ? {} : { podSubnetPrefix: payload.pod_subnet_prefix }),
      });
      if (renamed)
        await releaseName(this.transactor, { kind: 'network', name: network.name, id: payload.network_id }, context);
      return writes.done(undefined);
    });
  }

  private async changePrefix(writes: Writes, networkId: string, from: string | null, to: string | null): Promise<void> {
    const clusters = await this.reads.find(clusterReferences, { where: { network_id: networkId } });
    const allowed = podPrefixMayChange(
      from,
      to,
      clusters.map((c) => ({ clusterId: c.cluster_id, podCidr: c.pod_cidr, flannel: c.flannel })),
    );
    if (allowed.kind === 'reject') throw new RefusedError(allowed.refusal);
    const command = { kind: 'change_pod_prefix', networkId, podSubnetPrefix: to } as const;
    await writes.step('prefix', prefixStreamOf(writes.context.accountId), prefixDecider, command);
  }
}

@CommandHandler(DeleteNetwork)
export class DeleteNetworkHandler implements ICommandHandler<DeleteNetwork> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(READ_MODELS) private readonly reads: ReadModels,
  ) {}

  execute({ payload, context }: DeleteNetwork): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      const network = await writes.network(payload.network_id);
      const where = { network_id: payload.network_id };
      const peers = (await this.reads.find(sdwanPeers, { where })).filter((peer) => peer.status !== 'removed');
      const vips = (await this.reads.find(sdwanVirtualIps, { where })).filter((vip) => vip.state !== 'released');
      if (peers.length + vips.length > 0) throw new RefusedError(inUse(network.name, peers, vips));
      for (const rule of await this.reads.find(sdwanFirewallRules, { where }))
        await writes.step(`rule ${rule.id}`, rule.id, firewallDecider, { kind: 'delete' });
      await writes.step('delete', payload.network_id, networkDecider, { kind: 'delete' });
      await writes.step('prefix', prefixStreamOf(context.accountId), prefixDecider, {
        kind: 'release',
        networkId: payload.network_id,
      });
      await releaseName(this.transactor, { kind: 'network', name: network.name, id: payload.network_id }, context);
      return writes.done(undefined);
    });
  }
}

/** Said again under its key, a call makes nothing anew: what it made was there, and somebody did not want it any more. */
const deletedSince = (networkId: string, name: string) =>
  refusal(410, 'network_deleted', `this call made network ${name} (${networkId}) before, which was deleted since`, {
    field: 'idempotency_key',
    hint: 'call again under another idempotency_key',
  });

const inUse = (
  name: string,
  peers: readonly { id: string; name: string }[],
  vips: readonly { id: string; name: string }[],
) =>
  refusal(409, 'network_in_use', `network ${name} still has ${peers.length} peer(s) and ${vips.length} virtual IP(s)`, {
    field: 'network_id',
    hint: 'detach the peers and release the virtual IPs first',
    candidates: [...peers, ...vips].slice(0, 20).map(({ id, name: n }) => ({ id, name: n })),
  });

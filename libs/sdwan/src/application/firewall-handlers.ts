import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, refusal, RefusedError } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { TRANSACTOR, Transactor, type CommandContext, type CommandResult } from '#processing';
import { firewallDecider, type FirewallCommand } from '../domain/firewall/decide.js';
import { CreateFirewallRule, DeleteFirewallRule, UpdateFirewallRule } from './commands.js';
import { refusable, Writes } from './writes.js';

@CommandHandler(CreateFirewallRule)
export class CreateFirewallRuleHandler implements ICommandHandler<CreateFirewallRule> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload, context }: CreateFirewallRule): Promise<CommandResult<{ firewall_rule_id: string }>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.network(payload.network_id);
      const firewall_rule_id = deterministicId('firewall_rule', context.commandId);
      const ids = { firewall_rule_id, network_id: payload.network_id as `sdwan_network-${string}` };
      const create = { kind: 'create', ids, rule: payload.rule } as const;
      const made = await writes.step('create', firewall_rule_id, firewallDecider, create);
      if (made.status === 'deleted') throw new RefusedError(deletedSince(firewall_rule_id, made.rule.name));
      return writes.done({ firewall_rule_id });
    });
  }
}

/** Said again under its key, a call makes nothing anew. */
const deletedSince = (ruleId: string, name: string) =>
  refusal(409, 'firewall_rule_deleted', `this call made rule ${name} (${ruleId}) before, which was deleted since`, {
    field: 'idempotency_key',
    hint: 'call again under another idempotency_key',
  });

abstract class OnFirewallRuleHandler {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  protected decide(id: string, command: FirewallCommand, context: CommandContext): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(id, 'firewall_rule_id', 'firewall rule');
      await writes.step(command.kind, id, firewallDecider, command);
      return writes.done(undefined);
    });
  }
}

@CommandHandler(UpdateFirewallRule)
export class UpdateFirewallRuleHandler extends OnFirewallRuleHandler implements ICommandHandler<UpdateFirewallRule> {
  execute({ payload, context }: UpdateFirewallRule): Promise<CommandResult<void>> {
    return this.decide(payload.firewall_rule_id, { kind: 'update', change: payload.change }, context);
  }
}

@CommandHandler(DeleteFirewallRule)
export class DeleteFirewallRuleHandler extends OnFirewallRuleHandler implements ICommandHandler<DeleteFirewallRule> {
  execute({ payload, context }: DeleteFirewallRule): Promise<CommandResult<void>> {
    return this.decide(payload.firewall_rule_id, { kind: 'delete' }, context);
  }
}

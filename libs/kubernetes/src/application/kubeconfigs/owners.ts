import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicUuid, RefusedError } from '#kernel';
import { operatorDecider } from '#access';
import type { Position } from '#event-store';
import {
  defineProcessManager,
  READ_MODELS,
  READ_YOUR_WRITES,
  TRANSACTOR,
  type CommandResult,
  type ReadModels,
  type ReadYourWrites,
  type Transactor,
} from '#processing';
import { kubeconfigDecider } from '../../domain/kubeconfigs/decide.js';
import { kubeconfigsProjection } from '../../projections/kubeconfigs.js';
import { WithdrawKubeconfigsOf } from './commands.js';

/** A call that was let in just before may issue one just after: so long no call takes. */
const AGAIN_MS = 60_000;

/** Who is disabled has no access to clusters either, as far as that can be taken back. One process for each such event. */
export const kubeconfigOwners = defineProcessManager<null>({
  name: 'kubeconfig_owners',
  agentId: 'kubeconfig_owners_agent',
  correlate: ({ type, stream, version }) => (type === 'system.operator.disabled' ? `${stream}-${version}` : undefined),
  initial: null,
  react: (state, input) => {
    if (input.kind === 'timer')
      return { state, outputs: [{ kind: 'command', type: WithdrawKubeconfigsOf.type, payload: input.data }] };
    if (input.kind === 'command_result') return { state, outputs: [] };
    const { stream, position, meta } = input.event;
    const payload = { operator_id: stream, position: String(position) };
    const dueMs = Date.parse(meta.occurredAt) + AGAIN_MS;
    return {
      state,
      outputs: [
        { kind: 'command', type: WithdrawKubeconfigsOf.type, payload },
        { kind: 'timer', name: 'again', dueMs, data: payload },
      ],
    };
  },
});

@CommandHandler(WithdrawKubeconfigsOf)
export class WithdrawKubeconfigsOfHandler implements ICommandHandler<WithdrawKubeconfigsOf> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(READ_YOUR_WRITES) private readonly readYourWrites: ReadYourWrites,
  ) {}

  /** Orders it; the clusters are reached by the process of each kubeconfig, however long that takes. */
  async execute({ payload, context }: WithdrawKubeconfigsOf): Promise<CommandResult<void>> {
    const owner = (await this.transactor.read(payload.operator_id, operatorDecider))?.state;
    // The event may be of months ago: a build's first start hears of all there ever were. Who is enabled again loses nothing.
    if (owner?.disabled !== true) return { kind: 'done', value: undefined };
    const seen = await this.readYourWrites.waitFor(BigInt(payload.position) as Position, [kubeconfigsProjection.name]);
    if (seen === 'behind') throw new Error('the list of kubeconfigs is behind: this is done again');
    const where = { account: context.accountId, revoked: 'false' };
    for (const { id, operator } of await this.readModels.find(kubeconfigsProjection, { where })) {
      if (operator !== payload.operator_id) continue;
      const own = { ...context, commandId: deterministicUuid('withdraw-kubeconfig', context.commandId, id) };
      const order = { type: 'order_withdrawal', reason: 'operator_disabled' } as const;
      const done = await this.transactor.transact(id, kubeconfigDecider, order, own);
      if (done.kind === 'refused') throw new RefusedError(done.refusal);
    }
    return { kind: 'done', value: undefined };
  }
}

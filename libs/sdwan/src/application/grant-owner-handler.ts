import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CLOCK, deterministicUuid, RefusedError, type Clock } from '#kernel';
import { operatorDecider, standsFor, type OperatorState } from '#access';
import type { Position } from '#event-store';
import {
  COMMAND_DISPATCHER,
  READ_MODELS,
  READ_YOUR_WRITES,
  TRANSACTOR,
  type CommandDispatcher,
  type CommandResult,
  type ReadModels,
  type ReadYourWrites,
  type Transactor,
} from '#processing';
import { sdwanAccessGrants, type AccessGrantDoc } from '../projections/access-grants.js';
import { RevokeAccessGrant, RevokeGrantsOf } from './commands.js';
import { GRANT } from './grant-owners.js';

const PAGE = 200;

@CommandHandler(RevokeGrantsOf)
export class RevokeGrantsOfHandler implements ICommandHandler<RevokeGrantsOf> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(READ_YOUR_WRITES) private readonly readYourWrites: ReadYourWrites,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async execute({ payload, context }: RevokeGrantsOf): Promise<CommandResult<void>> {
    const owner = (await this.transactor.read(payload.operator_id, operatorDecider))?.state;
    const { because, role, before } = payload;
    // What counts is what they are now: the event may be of months ago (a build's first start hears of all there ever were), and what it
    // said undone since. A token that somebody issued may also say otherwise than the login.
    const isAgain = (now: OperatorState): boolean =>
      because === 'disabled' ? !now.disabled : standsFor(now, GRANT, this.clock.wallMs());
    if (owner !== undefined && isAgain(owner)) return { kind: 'done', value: undefined };
    const reason =
      because === 'disabled'
        ? 'the operator who let it in was disabled'
        : role === null
          ? 'the operator who let it in is let in no more by any rule'
          : `the operator who let it in is ${role} now, and may let nobody in`;
    const seen = await this.readYourWrites.waitFor(BigInt(payload.position) as Position, [sdwanAccessGrants.name]);
    if (seen === 'behind') throw new Error('the list of grants is behind: this is done again');
    for (const grant_id of await this.grantsOf(context.accountId, payload.operator_id, before)) {
      const commandId = deterministicUuid('revoke-grant', context.commandId, grant_id);
      const command = new RevokeAccessGrant({ grant_id, reason }, { ...context, commandId });
      const done = await this.dispatcher.dispatch(command);
      if (done.kind === 'refused' && done.refusal.status !== 404) throw new RefusedError(done.refusal);
    }
    return { kind: 'done', value: undefined };
  }

  private async grantsOf(account: string, operatorId: string, before: string): Promise<string[]> {
    const found: string[] = [];
    for (let after: string | undefined; ;) {
      const page = await this.readModels.find(sdwanAccessGrants, {
        where: { account },
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      const isMeant = (doc: AccessGrantDoc) =>
        doc.created_by === operatorId && doc.status !== 'revoked' && doc.created_at <= before;
      found.push(...page.filter(isMeant).map(({ id }) => id));
      if (page.length < PAGE) return found;
      after = page.at(-1)!.id;
    }
  }
}

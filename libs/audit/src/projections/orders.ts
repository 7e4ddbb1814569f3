import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { nearest, refusal, type Refusal } from '#kernel';
import {
  Command,
  projectionOrders,
  projectionStream,
  TRANSACTOR,
  type CommandContext,
  type CommandResult,
  type OrderCommand,
  type Poison,
  type ProcessingHost,
  type Transactor,
} from '#processing';
import { PROCESSING_VIEW } from '../tools/platform.js';

export type ProjectionsView = Pick<
  ProcessingHost,
  'registeredProjections' | 'projectionReports' | 'poison' | 'digest' | 'status'
>;

export class RebuildProjection extends Command<{ projection: string; reason: string }, { version: number }> {
  static readonly type = 'platform.rebuild_projection';
}
export class SkipPoisonEvent extends Command<
  { projection: string; position: string; reason: string },
  { version: number; event_id: string; event_type: string }
> {
  static readonly type = 'platform.skip_poison_event';
}

export const unknownProjection = (name: string, known: readonly string[]): Refusal => {
  const near = nearest(name, known);
  return refusal(404, 'unknown_projection', `there is no projection ${name}`, {
    field: 'projection',
    hint: near === undefined ? 'system_list_projections names them' : `did you mean ${near}?`,
    candidates: known.map((id) => ({ id })),
  });
};

const registered = (view: ProjectionsView, name: string) => {
  const known = view.registeredProjections();
  const found = known.find((p) => p.name === name);
  return (
    found ??
    unknownProjection(
      name,
      known.map((p) => p.name),
    )
  );
};

const done = async <T>(
  transactor: Transactor,
  command: OrderCommand,
  context: CommandContext,
  value: T,
): Promise<CommandResult<T>> => {
  const stream = projectionStream(command.data.projection);
  const result = await transactor.transact(stream, projectionOrders, command, context);
  if (result.kind === 'refused') return result;
  return { kind: 'done', value, ...(result.position === undefined ? {} : { position: result.position }) };
};

@CommandHandler(RebuildProjection)
export class RebuildProjectionHandler implements ICommandHandler<RebuildProjection> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(PROCESSING_VIEW) private readonly view: ProjectionsView,
  ) {}

  async execute({ payload, context }: RebuildProjection): Promise<CommandResult<{ version: number }>> {
    const found = registered(this.view, payload.projection);
    if ('code' in found) return { kind: 'refused', refusal: found };
    const data = { projection: found.name, version: found.version, reason: payload.reason };
    return done(this.transactor, { type: 'rebuild', data }, context, { version: found.version });
  }
}

/** Why an event may not be skipped: it must be the one that stands in the way. */
const notPoison = (name: string, wanted: string, poison: Poison | undefined): Refusal | undefined => {
  if (poison === undefined)
    return refusal(409, 'not_faulted', `${name} does not stand still`, { hint: 'nothing has to be skipped' });
  const at = String(poison.event.position);
  if (at === wanted) return undefined;
  return refusal(409, 'another_event', `${name} stands still at position ${at}, not at ${wanted}`, {
    field: 'position',
    hint: `look at it again: ${poison.event.type} at ${at}`,
    candidates: [{ id: at }],
  });
};

@CommandHandler(SkipPoisonEvent)
export class SkipPoisonEventHandler implements ICommandHandler<SkipPoisonEvent> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(PROCESSING_VIEW) private readonly view: ProjectionsView,
  ) {}

  async execute({ payload, context }: SkipPoisonEvent): Promise<SkipPoisonEvent['result']> {
    const found = registered(this.view, payload.projection);
    if ('code' in found) return { kind: 'refused', refusal: found };
    const poison = await this.view.poison(found.name);
    const refused = notPoison(found.name, payload.position, poison);
    if (refused !== undefined || poison === undefined) return { kind: 'refused', refusal: refused! };
    const { id: event_id, type: event_type } = poison.event;
    const { version } = poison;
    const { projection, position, reason } = payload;
    const data = { projection, version, position, event_id, event_type, reason };
    return done(this.transactor, { type: 'skip', data }, context, { version, event_id, event_type });
  }
}

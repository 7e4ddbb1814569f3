import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { EVENT_STORE, type EventStore } from '#event-store';
import { Command, TRANSACTOR, Transactor, type CommandResult } from '#processing';
import { routingDecider } from '../domain/ibgp/routing.js';
import { refusable, Writes } from './writes.js';

/** What a node said of its routing daemon: `daemon` runs, or none does and `reason` says why. */
export class RecordPeerRouting extends Command<
  { readonly peer_id: string; readonly daemon: string; readonly reason: string },
  void
> {
  static readonly type = 'sdwan.record_peer_routing';
}

@CommandHandler(RecordPeerRouting)
export class RecordPeerRoutingHandler implements ICommandHandler<RecordPeerRouting> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(EVENT_STORE) private readonly store: EventStore,
  ) {}

  execute({ payload: p, context }: RecordPeerRouting): Promise<CommandResult<void>> {
    return refusable(async () => {
      const writes = new Writes(this.transactor, this.store, context);
      await writes.owned(p.peer_id, 'peer_id', 'peer');
      const command =
        p.daemon === ''
          ? ({ kind: 'routing_static', reason: p.reason } as const)
          : ({ kind: 'routing_started', daemon: p.daemon } as const);
      await writes.step(command.kind, p.peer_id, routingDecider, command);
      return writes.done(undefined);
    });
  }
}

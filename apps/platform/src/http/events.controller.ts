import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { EVENT_STREAM, serveSse, type EventStream } from '#consumers';
import { Metrics } from '../metrics.js';

/** The event log as Server-Sent Events: catch-up, then live, for as long as the connection lasts. */
@Controller('events')
export class EventsController {
  constructor(
    @Inject(EVENT_STREAM) private readonly events: EventStream,
    @Inject(Metrics) metrics: Metrics,
  ) {
    metrics.watch('drover_event_consumers', 'Streams of events served now', () => events.consumers);
    metrics.watch('drover_event_pending_bytes', 'Sent to them and not taken yet', () => events.pendingBytes);
  }

  @Get()
  serve(@Req() request: Request, @Res() response: Response): Promise<void> {
    return serveSse(this.events, request, response);
  }
}

import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { EVENT_STREAM, serveSse, type EventStream } from '#consumers';

/** The event log as Server-Sent Events: catch-up, then live, for as long as the connection lasts. */
@Controller('events')
export class EventsController {
  constructor(@Inject(EVENT_STREAM) private readonly events: EventStream) {}

  @Get()
  serve(@Req() request: Request, @Res() response: Response): Promise<void> {
    return serveSse(this.events, request, response);
  }
}

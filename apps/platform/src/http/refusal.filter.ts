import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { errorMessage, IDS, LOG, refusal, RefusedError, type Ids, type Log } from '#kernel';
import { EventStoreUnavailableError } from '#event-store';
import { internalError, restAnswer, type Envelope } from '#tools';
import { sendEnvelope } from './answer.js';

/** Whatever a route throws becomes the one envelope; the inside of a failure stays in the log. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  constructor(
    @Inject(LOG) private readonly log: Log,
    @Inject(IDS) private readonly ids: Ids,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const response = http.getResponse<Response>();
    if (response.headersSent) return void response.destroy();
    const { status, body } = this.answer(error);
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="drover"');
    if (error instanceof RefusedError && error.retryAfterS !== undefined)
      response.setHeader('Retry-After', String(error.retryAfterS));
    sendEnvelope(http.getRequest<Request>(), response, status, body);
  }

  private answer(error: unknown): { status: number; body: Envelope } {
    if (error instanceof RefusedError) return restAnswer({ kind: 'refused', refusal: error.refusal });
    const status = statusOf(error);
    if (status !== undefined && status < 500) {
      return { status, body: { success: false, error: { code: codeOf(status), message: errorMessage(error) } } };
    }
    if (error instanceof EventStoreUnavailableError) {
      this.log.warn({ error: error.message }, 'request failed: the event store is away');
      return restAnswer({ kind: 'refused', refusal: AWAY });
    }
    const correlationId = this.ids.uuid();
    const stack = error instanceof Error ? error.stack : undefined;
    this.log.error({ correlationId, error: errorMessage(error), stack }, 'request failed');
    return { status: 500, body: { success: false, error: internalError(correlationId) } };
  }
}

const AWAY = refusal(503, 'event_store_unavailable', 'the event store is away', {
  hint: 'repeat the call in a moment',
});

/** Nest's exceptions and those of Express's body parser both say which status they mean. */
const statusOf = (error: unknown): number | undefined => {
  if (error instanceof HttpException) return error.getStatus();
  const status: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'status') : undefined;
  return typeof status === 'number' ? status : undefined;
};

const codeOf = (status: number): string =>
  ({
    400: 'malformed_request',
    404: 'not_found',
    405: 'method_not_allowed',
    413: 'body_too_large',
    415: 'unsupported_media_type',
  })[status] ?? 'refused';

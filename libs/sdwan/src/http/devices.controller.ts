import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Req,
  Res,
  SetMetadata,
} from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { refusal, RefusedError, TIMERS, type Timers } from '#kernel';
import { DeviceService, type RedeemedDevice } from '../application/device-service.js';

/** Read by the platform's guard: these routes carry their own tokens. */
const Public = () => SetMetadata('drover:public', true);

const redeemBody = z.strictObject({
  public_key: z.string().min(1).max(64),
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore')
    .optional(),
});
const pollQuery = z.object({
  /** Seconds to wait for another configuration than `have`. */
  wait: z.coerce.number().min(0).max(60).default(0),
  have: z.string().max(64).optional(),
});

const PING_MS = 15_000;

const parse = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join('.') || 'body';
  throw new RefusedError(
    refusal(400, 'invalid_request', `${field}: ${issue.message}`, {
      field,
      hint: 'send {"public_key":"…","name":"…"}',
    }),
  );
};

/** For devices without an agent: no operator token, but a bootstrap token once and a device token from then on. */
@Controller('api/v1/sdwan')
@Public()
export class DevicesController {
  constructor(
    @Inject(DeviceService) private readonly devices: DeviceService,
    @Inject(TIMERS) private readonly timers: Timers,
  ) {}

  @Post('bootstrap/:token')
  @HttpCode(200)
  async bootstrap(
    @Param('token') token: string,
    @Body() body: unknown,
  ): Promise<{ success: true; data: RedeemedDevice }> {
    const { public_key, name } = parse(redeemBody, body);
    return { success: true, data: await this.devices.redeem(token, public_key, name) };
  }

  /** Answers at once, or waits until the configuration is another than `have`; with Accept: text/event-stream it streams. */
  @Get('devices/:peer_id/config')
  async config(
    @Param('peer_id') peerId: string,
    @Headers('authorization') authorization: string | undefined,
    @Headers('accept') accept: string | undefined,
    @Query() query: unknown,
    @Req() request: IncomingMessage,
    @Res() response: ServerResponse,
  ): Promise<void> {
    const { wait, have } = parse(pollQuery, query);
    await this.devices.authenticate(peerId, /^Bearer +([\x21-\x7e]{1,200})$/i.exec(authorization ?? '')?.[1]);
    this.devices.configOf(peerId);
    if (accept?.includes('text/event-stream') === true) return this.stream(peerId, request, response);
    await this.changed(peerId, have, wait * 1000, request);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Cache-Control', 'no-store');
    response.end(JSON.stringify({ success: true, data: this.devices.configOf(peerId) }));
  }

  private changed(peerId: string, have: string | undefined, waitMs: number, request: IncomingMessage): Promise<void> {
    return new Promise((resolve) => {
      const isNew = () => have === undefined || this.current(peerId)?.hash !== have;
      if (waitMs === 0 || isNew()) return resolve();
      const end = () => {
        cancel();
        unsubscribe();
        request.off('close', end);
        resolve();
      };
      const unsubscribe = this.devices.onChange(peerId, () => {
        if (isNew()) end();
      });
      const cancel = this.timers.after(waitMs, end);
      request.once('close', end);
    });
  }

  /** `config` events with the whole configuration, the present one first; `revoked` and the end when the device is out. */
  private stream(peerId: string, request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    let sent = '';
    const send = () => {
      // Who does not read gets the newest configuration once it does, not all of them.
      if (response.writableNeedDrain) return;
      const config = this.current(peerId);
      if (config === undefined) {
        response.write('event: revoked\ndata: {}\n\n');
        return end();
      }
      if (config.hash === sent) return;
      sent = config.hash;
      response.write(`event: config\nid: ${config.hash}\ndata: ${JSON.stringify(config)}\n\n`);
    };
    const cancel = this.timers.every(PING_MS, () => response.write(': ping\n\n'));
    const unsubscribe = this.devices.onChange(peerId, send);
    const end = () => {
      cancel();
      unsubscribe();
      response.end();
    };
    request.once('close', end);
    response.on('drain', send);
    send();
  }

  private current(peerId: string) {
    try {
      return this.devices.configOf(peerId);
    } catch (error) {
      if (error instanceof RefusedError) return undefined;
      throw error;
    }
  }
}

import { Body, Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { CLOCK, IDS, refusal, RefusedError, type Clock, type Ids } from '#kernel';
import { TRANSACTOR, type Transactor } from '#processing';
import {
  deviceFinishBody,
  deviceStartBody,
  finishBody,
  logOut,
  OIDC_LOGIN,
  parseLoginRequest,
  startBody,
  type OidcLogin,
  type Principal,
  type TrustedProxies,
} from '#access';
import type { Envelope } from '#tools';
import { CallerPrincipal, Public } from './principal.js';
import { senderOf, TRUSTED_PROXIES } from './sender.js';

/** How a token ends by itself: whoever shows it wants it to. */
@Controller('api/v1/logout')
export class LogoutController {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
  ) {}

  @Post()
  @HttpCode(200)
  async logOut(@CallerPrincipal() principal: Principal): Promise<Envelope> {
    const token_id = await logOut(this.transactor, principal, { id: this.ids.uuid(), nowMs: this.clock.wallMs() });
    return { success: true, data: { token_id } };
  }
}

/** How people get a token: two calls, with the identity provider's pages in between. */
@Controller('api/v1/login/oidc')
@Public()
export class LoginController {
  constructor(
    @Inject(OIDC_LOGIN) private readonly login: OidcLogin | null,
    @Inject(TRUSTED_PROXIES) private readonly proxies: TrustedProxies,
  ) {}

  @Post('start')
  @HttpCode(200)
  async start(@Body() body: unknown): Promise<Envelope> {
    return { success: true, data: await this.configured().start(parseLoginRequest(startBody, body)) };
  }

  @Post('finish')
  @HttpCode(200)
  async finish(@Body() body: unknown, @Req() request: Request): Promise<Envelope> {
    const login = this.configured();
    const finished = await login.finish(parseLoginRequest(finishBody, body), senderOf(request, this.proxies));
    return { success: true, data: { ...finished } };
  }

  @Post('device/start')
  @HttpCode(200)
  async startDevice(@Body() body: unknown, @Req() request: Request): Promise<Envelope> {
    const asked = parseLoginRequest(deviceStartBody, body);
    return { success: true, data: await this.configured().startDevice(asked, senderOf(request, this.proxies)) };
  }

  /** Asked again and again until somebody has entered the code. */
  @Post('device/finish')
  @HttpCode(200)
  async finishDevice(@Body() body: unknown, @Req() request: Request): Promise<Envelope> {
    const asked = parseLoginRequest(deviceFinishBody, body);
    return {
      success: true,
      data: { ...(await this.configured().finishDevice(asked, senderOf(request, this.proxies))) },
    };
  }

  private configured(): OidcLogin {
    if (this.login !== null) return this.login;
    throw new RefusedError(
      refusal(404, 'oidc_not_configured', 'this platform knows no identity provider', {
        hint: 'log in with a token: drover login --url URL --token-stdin; DROVER_OIDC_ISSUER configures a provider',
      }),
    );
  }
}

import { Body, Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { refusal, RefusedError } from '#kernel';
import {
  deviceFinishBody,
  deviceStartBody,
  finishBody,
  OIDC_LOGIN,
  parseLoginRequest,
  startBody,
  type OidcLogin,
  type TrustedProxies,
} from '#access';
import type { Envelope } from '#tools';
import { Public } from './principal.js';
import { senderOf, TRUSTED_PROXIES } from './sender.js';

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
  async startDevice(@Body() body: unknown): Promise<Envelope> {
    return { success: true, data: await this.configured().startDevice(parseLoginRequest(deviceStartBody, body)) };
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

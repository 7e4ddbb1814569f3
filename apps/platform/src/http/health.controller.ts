import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { permits, type Principal } from '#access';
import { refusal, RefusedError } from '#kernel';
import { Metrics } from '../metrics.js';
import { Readiness } from '../readiness.js';
import { CallerPrincipal, Public } from './principal.js';

/** As for platform_health: what it tells is of the platform, not of one account. */
const SCRAPE_PERMISSION = 'platform.health.read';

@Controller()
export class HealthController {
  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  /** The process answers. */
  @Public()
  @Get('healthz')
  health(): { status: string } {
    return { status: 'ok' };
  }

  /** It serves: the store answers and the projections run. Names what does not. */
  @Public()
  @Get('readyz')
  async ready(@Res() response: Response): Promise<void> {
    const checks = await this.readiness.check();
    const isReady = checks.every((check) => check.ok);
    response.status(isReady ? 200 : 503).json({
      status: isReady ? 'ready' : 'not_ready',
      checks: Object.fromEntries(checks.map((check) => [check.name, check.ok ? 'ok' : 'failing'])),
    });
  }

  /** For a balancer before several processes on one database: operators and agents belong where the lead is. */
  @Public()
  @Get('readyz/leading')
  async leading(@Res() response: Response): Promise<void> {
    const leads = await this.readiness.leads().catch(() => false);
    response.status(leads ? 200 : 503).json({ status: leads ? 'leading' : 'not_leading' });
  }

  @Get('metrics')
  async scrape(@CallerPrincipal() principal: Principal, @Res() response: Response): Promise<void> {
    if (!permits(principal.permissions, SCRAPE_PERMISSION))
      throw new RefusedError(
        refusal(403, 'permission_denied', `metrics need the permission ${SCRAPE_PERMISSION}`, {
          hint: `ask for a token with ${SCRAPE_PERMISSION}`,
          candidates: [{ id: SCRAPE_PERMISSION }],
        }),
      );
    const { contentType, text } = await this.metrics.scrape();
    response.setHeader('Content-Type', contentType).send(text);
  }
}

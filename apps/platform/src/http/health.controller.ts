import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Metrics } from '../metrics.js';
import { Readiness } from '../readiness.js';
import { Public } from './principal.js';

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
  async scrape(@Res() response: Response): Promise<void> {
    const { contentType, text } = await this.metrics.scrape();
    response.setHeader('Content-Type', contentType).send(text);
  }
}

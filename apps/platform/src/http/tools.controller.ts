import { Body, Controller, Get, Inject, Param, Post, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { Principal } from '#access';
import { restAnswer, ToolRegistry, type Envelope } from '#tools';
import { CallerPrincipal } from './principal.js';

/** Every operator tool over REST: the body is the arguments. */
@Controller('api/v1/tools')
export class ToolsController {
  constructor(@Inject(ToolRegistry) private readonly registry: ToolRegistry) {}

  @Get()
  list(@CallerPrincipal() principal: Principal): Envelope {
    return { success: true, data: { tools: this.registry.list(principal.permissions) } };
  }

  @Post(':name')
  async call(
    @CallerPrincipal() principal: Principal,
    @Param('name') name: string,
    @Body() body: unknown,
    @Res() response: Response,
  ): Promise<void> {
    const answer = restAnswer(await this.registry.call({ name, arguments: body, principal }));
    response.status(answer.status).json(answer.body);
  }
}

import { Body, Controller, Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { IDS, LOG, type Ids, type Log } from '#kernel';
import { accounts, type Principal } from '#access';
import { READ_MODELS, type ReadModels } from '#processing';
import { catalogueDigest, restArguments, ToolRegistry, type Envelope } from '#tools';
import { sendAnswer } from './answer.js';
import { watchOf } from './caller.js';
import { correlated } from './correlated.js';
import { CallerPrincipal } from './principal.js';

const ALL: ReadonlySet<string> = new Set(['*']);

/** Every operator tool over REST: the body is the arguments. */
@Controller('api/v1/tools')
export class ToolsController {
  constructor(
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(LOG) readonly log: Log,
    @Inject(IDS) readonly ids: Ids,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
  ) {}

  @Get()
  async list(@CallerPrincipal() principal: Principal): Promise<Envelope> {
    const { accountId: id, name, permissions, guarded = false } = principal;
    const tools = this.registry.list(permissions);
    const account = await this.readModels.get(accounts, id);
    const who = { account: { id, name: account?.name ?? null }, operator: { name } };
    return { success: true, data: { tools, digest: catalogueDigest(this.registry.list(ALL)), guarded, ...who } };
  }

  @Post(':name')
  async call(
    @CallerPrincipal() principal: Principal,
    @Param('name') name: string,
    @Body() body: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const danger = this.registry.definition(name)?.danger ?? 'read';
    const idempotencyKey = request.get('idempotency-key');
    const args =
      idempotencyKey === undefined || danger === 'read'
        ? body
        : restArguments({ danger, input_schema: { type: 'object' } }, { path: {}, query: {}, body, idempotencyKey });
    const answer = await this.registry.call({ name, arguments: args, principal, watch: watchOf(response) });
    correlated(answer, { tool: name, principal }, this, response);
    sendAnswer(request, response, answer, { read: danger === 'read', resource: false });
  }
}

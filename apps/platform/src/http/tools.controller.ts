import { Body, Controller, Delete, Get, Inject, Param, Patch, Post, Put, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { IDS, LOG, type Ids, type Log } from '#kernel';
import { accounts, type Principal } from '#access';
import { READ_MODELS, type ReadModels } from '#processing';
import { catalogueDigest, RESOURCE_ROUTES, restArguments, ToolRegistry, type Envelope } from '#tools';
import { sendAnswer, sendEnvelope } from './answer.js';
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

  notAllowed(request: Request, response: Response, name: string): void {
    const { method } = request;
    const tool = this.registry.definition(name)?.name;
    const hint = `POST /api/v1/tools/${tool ?? 'NAME'}, with its arguments as a JSON object${resourceOf(tool ?? name, method)}`;
    const message = `a tool is called with POST, not with ${method}`;
    response.setHeader('Allow', 'POST');
    sendEnvelope(request, response, 405, { success: false, error: { code: 'method_not_allowed', message, hint } });
  }
}

/** Where the same is had as a resource by this method. */
const resourceOf = (name: string, method: string): string => {
  const route = RESOURCE_ROUTES.find((one) => one.tool === name && one.method === method.toLowerCase());
  return route === undefined ? '' : `; or ${method} /api/v1/${route.path}`;
};

/** A tool is a POST, also one that only reads. Each method has its place in Nest's router; HEAD is a GET there. */
for (const [verb, As] of Object.entries({ get: Get, put: Put, patch: Patch, delete: Delete })) {
  const { prototype } = ToolsController;
  const name = `${verb} :name`;
  const value = function (this: ToolsController, request: Request, response: Response, tool: string) {
    return this.notAllowed(request, response, tool);
  };
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  Req()(prototype, name, 0);
  Res()(prototype, name, 1);
  Param('name')(prototype, name, 2);
  As(':name')(prototype, name, Object.getOwnPropertyDescriptor(prototype, name)!);
}

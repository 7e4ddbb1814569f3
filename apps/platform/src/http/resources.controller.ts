import { Controller, Delete, Get, Inject, Patch, Post, Req, Res } from '@nestjs/common';
import type { Response } from 'express';
import { IDS, LOG, refusal, RefusedError, type Ids, type Log } from '#kernel';
import { openApiDocument, RESOURCE_ROUTES, restArguments, ToolRegistry, type ResourceRoute } from '#tools';
import { VERSION } from '../version.js';
import { sendAnswer } from './answer.js';
import { watchOf } from './caller.js';
import { correlated } from './correlated.js';
import type { AuthenticatedRequest } from './principal.js';

const VERBS = { get: Get, post: Post, patch: Patch, delete: Delete } as const;
const ALL: ReadonlySet<string> = new Set(['*']);

/** Nothing here promises to change only what was read, so a precondition is refused and not overlooked. */
const refusePrecondition = (request: AuthenticatedRequest): void => {
  if (request.get('if-match') === undefined) return;
  const hint = 'leave If-Match out; dry_run shows what would follow, Idempotency-Key makes a repeat safe';
  throw new RefusedError(
    refusal(422, 'unsupported_precondition', 'If-Match is not supported', { field: 'If-Match', hint }),
  );
};

/** Resources as people expect them of REST: each route is one tool, its arguments from path, query and body. */
@Controller('api/v1')
export class ResourcesController {
  constructor(
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(LOG) readonly log: Log,
    @Inject(IDS) readonly ids: Ids,
  ) {}

  @Get('openapi.json')
  document(): unknown {
    return openApiDocument(this.registry.list(ALL), VERSION);
  }

  async serve(route: ResourceRoute, request: AuthenticatedRequest, response: Response): Promise<void> {
    refusePrecondition(request);
    const { principal } = request;
    if (principal === undefined) throw new Error('a resource was reached without a principal');
    const tool = this.registry.describe(route.tool, principal.permissions);
    const args = restArguments(tool, {
      path: request.params as Record<string, string>,
      query: request.query,
      body: request.body as unknown,
      idempotencyKey: request.get('idempotency-key'),
    });
    const call = { name: route.tool, arguments: args, principal, watch: watchOf(response) };
    const answer = await this.registry.call(call);
    correlated(answer, { tool: route.tool, principal }, this, response);
    sendAnswer(request, response, answer, { read: tool.danger === 'read', resource: true });
  }
}

/** One method a route, decorated as a written one would be: each has its place in Nest's router, and nothing is shadowed. */
for (const route of RESOURCE_ROUTES) {
  const name = `${route.method} ${route.path}`;
  const { prototype } = ResourcesController;
  const value = function (this: ResourcesController, request: AuthenticatedRequest, response: Response) {
    return this.serve(route, request, response);
  };
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  Req()(prototype, name, 0);
  Res()(prototype, name, 1);
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
  VERBS[route.method](route.path.replaceAll(/\{(\w+)\}/g, ':$1'))(prototype, name, descriptor);
}

import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import { toNodeHandler, type NodeMcpRequestHandler } from '@modelcontextprotocol/node';
import type { Response } from 'express';
import { errorMessage, LOG, type Log } from '#kernel';
import type { Principal } from '#access';
import { createMcpSurface, PRINCIPAL_KEY, ToolRegistry } from '#tools';
import { MAX_BODY_BYTES, VERSION } from '../version.js';
import { CallerPrincipal, type AuthenticatedRequest } from './principal.js';

/** MCP over Streamable HTTP. The guard has authenticated the caller; the SDK carries the principal through. */
@Controller('mcp')
export class McpController {
  private readonly handle: NodeMcpRequestHandler;

  constructor(@Inject(ToolRegistry) registry: ToolRegistry, @Inject(LOG) log: Log) {
    const surface = createMcpSurface({ registry, version: VERSION, log, maxBodyBytes: MAX_BODY_BYTES });
    this.handle = toNodeHandler(surface, {
      maxRequestBodySize: MAX_BODY_BYTES,
      onerror: (error) => log.error({ error: errorMessage(error) }, 'mcp adapter failed'),
    });
  }

  @All()
  async serve(
    @CallerPrincipal() principal: Principal,
    @Req() request: AuthenticatedRequest,
    @Res() response: Response,
  ): Promise<void> {
    const auth = { token: '', clientId: principal.operatorId, scopes: [], extra: { [PRINCIPAL_KEY]: principal } };
    await this.handle(Object.assign(request, { auth }), response);
  }
}

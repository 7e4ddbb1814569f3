import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import { toNodeHandler, type NodeMcpRequestHandler } from '@modelcontextprotocol/node';
import type { Response } from 'express';
import { errorMessage, IDS, LOG, refusal, RefusedError, type Ids, type Log } from '#kernel';
import type { Principal } from '#access';
import {
  catalogueDigest,
  createMcpSurface,
  PRINCIPAL_KEY,
  SELECTION_KEY,
  SESSION_KEY,
  selectTools,
  STATE_KEY,
  ToolRegistry,
} from '#tools';
import { MAX_BODY_BYTES, VERSION } from '../version.js';
import { CallerPrincipal, type AuthenticatedRequest } from './principal.js';
import { readRunbooks } from './runbooks.js';

const ALL: ReadonlySet<string> = new Set(['*']);

/** MCP over Streamable HTTP. The guard has authenticated the caller; the SDK carries the principal through. */
@Controller('mcp')
export class McpController {
  private readonly handle: NodeMcpRequestHandler;

  constructor(
    @Inject(ToolRegistry) private readonly registry: ToolRegistry,
    @Inject(LOG) log: Log,
    @Inject(STATE_KEY) stateKey: Uint8Array,
    @Inject(IDS) private readonly ids: Ids,
  ) {
    const options = { registry, version: VERSION, log, maxBodyBytes: MAX_BODY_BYTES, stateKey, runbooks: readRunbooks };
    this.handle = toNodeHandler(createMcpSurface(options), {
      maxRequestBodySize: MAX_BODY_BYTES,
      onerror: (error) => log.error({ error: errorMessage(error) }, 'mcp adapter failed'),
    });
  }

  @All(['/', '*path'])
  async serve(
    @CallerPrincipal() principal: Principal,
    @Req() request: AuthenticatedRequest,
    @Res() response: Response,
  ): Promise<void> {
    const selection = selectTools(request.path.replace(/^\/mcp/, ''), {
      toolsets: request.get('x-mcp-toolsets'),
      readonly: request.get('x-mcp-readonly'),
    });
    this.checkPin(request.get('x-drover-catalogue'));
    const session = this.sessionOf(request, response);
    const extra = { [PRINCIPAL_KEY]: principal, [SELECTION_KEY]: selection, [SESSION_KEY]: session };
    const auth = { token: '', clientId: principal.operatorId, scopes: [], extra };
    await this.handle(Object.assign(request, { auth }), response);
  }

  /**
   * Nothing is kept for a session. Its id only tells apart the requests of clients of the 2025 era, so that one may cancel another;
   * clients of the present era close the request itself and get none.
   */
  private sessionOf(request: AuthenticatedRequest, response: Response): string | undefined {
    const known = request.get('mcp-session-id');
    if (known !== undefined) return known.slice(0, 100);
    if (request.method === 'POST' && request.get('mcp-protocol-version') === undefined)
      response.setHeader('Mcp-Session-Id', this.ids.uuid());
    return undefined;
  }

  /** Who pinned the catalogue gets no other one, not even for one call. */
  private checkPin(pinned: string | undefined): void {
    if (pinned === undefined) return;
    const digest = catalogueDigest(this.registry.list(ALL));
    if (pinned === digest) return;
    throw new RefusedError(
      refusal(409, 'catalogue_changed', 'the tools are not those that were pinned', {
        field: 'X-Drover-Catalogue',
        hint: `look at what changed, then pin ${digest}`,
      }),
    );
  }
}

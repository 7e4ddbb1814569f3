import { nearest, refusal, RefusedError } from '#kernel';
import type { ToolListing } from '../tool-schema.js';

/** What an assistant sees who was told nothing else: enough for a first cluster and for a look at why something is not well. */
const DEFAULT: ReadonlySet<string> = new Set([
  'recent_events',
  'explain',
  'platform_health',
  'get_operation',
  'system_list_templates',
  'system_get_template',
  'system_assign_module_to_template',
  'system_create_node',
  'system_provision_instance',
  'system_list_instances',
  'system_get_instance',
  'system_drain_instance',
  'system_sdwan_create_network',
  'system_sdwan_attach_peer',
  'system_sdwan_get_virtual_ip',
  'system_sdwan_create_access_grant',
  'kubernetes_list_clusters',
  'kubernetes_list_nodes',
  'kubernetes_get_kubeconfig',
]);

const GROUPS = ['templates', 'nodes', 'sdwan', 'kubernetes', 'docker', 'events', 'platform'] as const;
export const TOOLSETS: readonly string[] = ['default', ...GROUPS];

/** Which tools an MCP endpoint shows, and whether it makes others available. */
export interface Selection {
  readonly sets: ReadonlySet<string> | 'all';
  readonly readonly: boolean;
}

const selectionOf = (sets: readonly string[], readonly: boolean): Selection => {
  const unknown = sets.find((set) => !TOOLSETS.includes(set) && set !== 'all');
  if (unknown !== undefined) {
    const near = nearest(unknown, [...TOOLSETS, 'all']);
    throw new RefusedError(
      refusal(400, 'unknown_toolset', `there is no toolset ${JSON.stringify(unknown.slice(0, 50))}`, {
        field: 'toolsets',
        hint: near === undefined ? `one of ${TOOLSETS.join(', ')}, all` : `did you mean ${near}?`,
        candidates: TOOLSETS.map((id) => ({ id })),
      }),
    );
  }
  return { sets: sets.includes('all') ? 'all' : new Set(sets), readonly };
};

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((set) => set.trim())
    .filter((set) => set !== '');

/**
 * `/mcp`, `/mcp/all`, `/mcp/x/nodes,events`, each with `/readonly` behind it; or the headers X-MCP-Toolsets and
 * X-MCP-Readonly. Readonly wins over everything. Throws RefusedError (400 with the nearest name, 404 for another path).
 */
export const selectTools = (
  path: string,
  headers: { readonly toolsets?: string | undefined; readonly readonly?: string | undefined } = {},
): Selection => {
  const parts = path.split('/').filter((part) => part !== '');
  const isReadonly = parts.at(-1) === 'readonly' || /^(1|true|yes)$/i.test(headers.readonly ?? '');
  const rest = parts.at(-1) === 'readonly' ? parts.slice(0, -1) : parts;
  if (rest.length === 0) {
    const named = listOf(headers.toolsets ?? '');
    return selectionOf(named.length === 0 ? ['default'] : named, isReadonly);
  }
  if (rest.length === 1 && rest[0] === 'all') return selectionOf(['all'], isReadonly);
  if (rest.length === 2 && rest[0] === 'x') return selectionOf(listOf(decodeURIComponent(rest[1]!)), isReadonly);
  throw new RefusedError(
    refusal(404, 'not_found', 'there is no such MCP endpoint', {
      hint: '/mcp, /mcp/all, /mcp/x/SET,SET, each with /readonly',
    }),
  );
};

const inSets = (tool: ToolListing, sets: Selection['sets']): boolean =>
  sets === 'all' || sets.has(tool.group) || (sets.has('default') && DEFAULT.has(tool.name));

/** What tools/list shows. */
export const isListed = (tool: ToolListing, { sets, readonly }: Selection): boolean =>
  inSets(tool, sets) && (!readonly || tool.danger === 'read');

/**
 * What may be called. `/mcp` keeps its list short and refuses nothing by name: what a tutorial says works in one step. Who
 * chose toolsets or readonly meant it.
 */
export const checkSelected = (tool: Pick<ToolListing, 'name' | 'group' | 'danger'>, selection: Selection): void => {
  const { sets, readonly } = selection;
  if (readonly && tool.danger !== 'read') {
    const hint = 'connect to the same address without /readonly';
    throw new RefusedError(
      refusal(403, 'readonly', `${tool.name} changes something, and this endpoint is readonly`, { hint }),
    );
  }
  if (sets === 'all' || sets.has('default') || inSets(tool as ToolListing, sets)) return;
  throw new RefusedError(
    refusal(403, 'not_in_toolset', `${tool.name} is in the toolset ${tool.group}, which was not chosen here`, {
      hint: `connect to /mcp/x/${[...sets, tool.group].join(',')} or to /mcp`,
    }),
  );
};

import { ResourceNotFoundError } from '@modelcontextprotocol/server';
import type { Principal } from '#access';
import type { ToolRegistry } from '../tool-registry.js';
import { withinBudget } from './budget.js';
import { plain } from './plain-text.js';
import { runbookUri, type Runbook } from './prompts.js';

/** What can be read as a resource, and the reading tool behind it. */
const THINGS: Readonly<Record<string, { readonly tool: string; readonly argument: string }>> = {
  instance: { tool: 'system_get_instance', argument: 'id' },
  node: { tool: 'system_get_node', argument: 'node_id' },
  template: { tool: 'system_get_template', argument: 'template_id' },
  network: { tool: 'system_sdwan_get_network', argument: 'network_id' },
  virtual_ip: { tool: 'system_sdwan_get_virtual_ip', argument: 'virtual_ip_id' },
  cluster: { tool: 'kubernetes_get_cluster', argument: 'cluster_id' },
  story: { tool: 'explain', argument: 'subject' },
};

export const listResources = (runbooks: readonly Runbook[]) =>
  runbooks.map(({ name, title, text }) => ({
    uri: runbookUri(name),
    name: `runbook-${name}`,
    title,
    mimeType: 'text/markdown',
    size: Buffer.byteLength(text),
  }));

export const listTemplates = () =>
  Object.keys(THINGS).map((kind) => ({
    uriTemplate: `drover://${kind}/{id}`,
    name: kind,
    title: kind === 'story' ? 'What happened to a thing, and why' : `One ${kind.replace('_', ' ')}, by id or name`,
    mimeType: 'application/json',
  }));

/** A runbook, or one thing as its reading tool shows it to this caller: with the caller's permissions and of their account only. */
export const readResource = async (
  uri: string,
  { runbooks, registry, principal }: { runbooks: readonly Runbook[]; registry: ToolRegistry; principal: Principal },
) => {
  const runbook = runbooks.find((one) => runbookUri(one.name) === uri);
  if (runbook !== undefined) return { contents: [{ uri, mimeType: 'text/markdown', text: runbook.text }] };
  const [, kind = '', id = ''] = /^drover:\/\/([a-z_]+)\/([^/?#]{1,300})$/.exec(uri) ?? [];
  const thing = Object.hasOwn(THINGS, kind) ? THINGS[kind] : undefined;
  if (thing === undefined) throw new ResourceNotFoundError(uri);
  const wanted = decodeURIComponent(id);
  const answer = await registry.call({ name: thing.tool, arguments: { [thing.argument]: wanted }, principal });
  if (answer.kind !== 'ok') throw new ResourceNotFoundError(uri);
  const text = JSON.stringify(plain(withinBudget(answer.data, [])));
  return { contents: [{ uri, mimeType: 'application/json', text }] };
};

import { canonicalJson } from '#kernel';
import { makeExamplesWorld } from './testing/examples-world.js';
import { generatedClientCases } from './testing/generated-client-cases.js';
import { approvalCases } from './testing/approval-cases.js';
import { guardCases } from './testing/guard-cases.js';
import { mcpCases } from './testing/mcp-cases.js';
import { registryCases } from './testing/registry-cases.js';
import { restCases } from './testing/rest-cases.js';
import { startTestPlatform, type TestPlatform } from '../testing/test-platform.js';

/** What every tool promises, whichever it is: one platform, all tools. */
let drover: TestPlatform;
const ok = async (tool: string, args: object = {}, token?: string) => {
  const { body } = await drover.rest(tool, args, token);
  if (!body.success) throw new Error(`${tool}: ${canonicalJson(body.error)}`);
  return body.data as Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
};
const head = () => drover.platform.foundation.store.head();

beforeAll(async () => {
  drover = await startTestPlatform();
  await makeExamplesWorld(drover);
});
afterAll(() => drover.stop());

describe('a dry run', () => {
  it('answers what would follow with a plan, and appends nothing', async () => {
    const before = await head();
    const answer = await ok('system_create_node', {
      hostname: 'imagined',
      node_template_id: 'k3s-server',
      dry_run: true,
      idempotency_key: 'imagined',
    });
    expect(answer).toMatchObject({ outcome: 'planned', node: { name: 'imagined' }, dry_run: { would_be: 'done' } });
    expect(answer['dry_run'].events.map((event: { kind: string }) => event.kind)).toContain('system.node.created');
    expect(answer['dry_run'].plan_id).toMatch(/^plan_/);
    expect(answer).not.toHaveProperty('position');
    expect(await head()).toBe(before);
    // The key is not claimed either: the real call may differ.
    await ok('system_create_template', { name: 'x', dry_run: true, idempotency_key: 'k' });
    expect(await head()).toBe(before);
  });

  it('is refused in the words of the call itself', async () => {
    const call = { hostname: 'x', node_template_id: 'k3s-serve' };
    const [real, dry] = [
      await drover.rest('system_create_node', call),
      await drover.rest('system_create_node', { ...call, dry_run: true }),
    ];
    expect([dry.status, dry.body]).toEqual([real.status, real.body]);
    expect(dry.body.error.hint).toBe('did you mean k3s-server?');
  });

  it('shows no token that looks as if it opened something', async () => {
    const { node } = await ok('system_create_node', { hostname: 'machine', node_template_id: 'k3s-server' });
    const planned = await ok('system_provision_instance', { node_id: node.id, dry_run: true });
    expect(planned['join'].token).toBe('PLACEHOLDER');
    expect(JSON.stringify(planned)).not.toMatch(/drvj_/);
  });
});

describe('REST', () => restCases(() => drover));
describe('a client generated from the OpenAPI document', () => generatedClientCases(() => drover));
describe('guarded tokens and approvals', () => guardCases(() => drover));
describe('an approved call', () => approvalCases(() => drover));
describe('every tool', () => registryCases(() => drover));
describe('MCP', () => mcpCases(() => drover));

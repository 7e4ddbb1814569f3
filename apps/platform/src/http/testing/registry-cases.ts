import { annotationsOf, ToolRegistry, type ToolListing } from '#tools';
import type { TestPlatform } from '../../testing/test-platform.js';

/**
 * Examples that speak of what only running machines make (a cluster, an upgrade), of an event by its id, of what is there already:
 * they are run as far as the look for it, and must be refused for that and nothing else.
 */
const NOT_THERE =
  /^(cluster_not_found|approval_not_found|unknown_event|operation_not_found|instance_not_found|no_upgrade|upgrade_not_found|name_taken|module_version_not_found|version_not_found|unknown_version|instance_exists|instance_not_running|no_candidate|no_key_yet|no_rollout)$/;

/** What the registry promises of every tool. */
export const registryCases = (platform: () => TestPlatform): void => {
  let tools: readonly ToolListing[];
  const head = () => platform().platform.foundation.store.head();
  beforeAll(() => {
    tools = platform()
      .platform.app.get(ToolRegistry)
      .list(new Set(['*']));
  });

  it('has an example of every tool, and each runs: reads as they stand, changes as a dry run', async () => {
    const failed: unknown[] = [];
    let ran = 0;
    const before = await head();
    for (const tool of tools) {
      const { required = [] } = tool.input_schema as { required?: readonly string[] };
      if (tool.examples.length === 0 && required.length > 0) failed.push([tool.name, 'has no example']);
      // What needs no argument is its own example.
      for (const { arguments: args } of tool.examples.length === 0 ? [{ arguments: {} }] : tool.examples) {
        const dry = tool.danger === 'read' ? {} : { dry_run: true };
        const { body } = await platform().rest(tool.name, { ...args, ...dry });
        if (body.success) ran++;
        else if (!NOT_THERE.test(body.error.code)) failed.push([tool.name, args, body.error]);
      }
    }
    expect(failed).toEqual([]);
    expect(ran).toBeGreaterThan(60);
    // Not one of them left anything behind.
    expect(await head()).toBe(before);
  });

  it('tells assistants no more and no less than the danger says', () => {
    for (const tool of tools) {
      const { readOnlyHint, destructiveHint } = annotationsOf(tool);
      expect([tool.name, readOnlyHint, destructiveHint]).toEqual([
        tool.name,
        tool.danger === 'read',
        tool.danger === 'destroy',
      ]);
      const { properties } = tool.input_schema as { properties?: object };
      expect([tool.name, Object.hasOwn(properties ?? {}, 'dry_run')]).toEqual([tool.name, tool.danger !== 'read']);
    }
  });
};

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseCommandLine, toolArguments } from './arguments.js';
import type { Tool } from './catalogue.js';
import { CliError } from './errors.js';
import { human } from './output.js';
import { resolveSettings } from './settings.js';

const tool: Tool = {
  name: 'system_create_node',
  group: 'nodes',
  summary: '',
  description: '',
  danger: 'change',
  aliases: { name: 'hostname' },
  examples: [],
  input_schema: {
    properties: {
      hostname: { type: 'string' },
      node_template_id: { type: 'string' },
      timeout_seconds: { type: 'integer' },
      force: { type: 'boolean' },
      config: { type: 'object' },
      tags: { type: 'array' },
      driver: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    },
    required: ['hostname', 'node_template_id'],
  },
};

it.each<[string[], object]>([
  [['hostname=web-1', 'timeout_seconds=5'], { hostname: 'web-1', timeout_seconds: 5 }],
  [['--node-template-id', 'base', '--timeout-seconds=5'], { node_template_id: 'base', timeout_seconds: 5 }],
  [['web-1', 'base'], { hostname: 'web-1', node_template_id: 'base' }],
  [['--force', 'hostname=7'], { force: true, hostname: '7' }],
  [['--force', 'false'], { force: false }],
  [['--json', '{"hostname":"a"}', 'hostname=b'], { hostname: 'b' }],
  [['config={"target_cluster_id":"c"}', 'tags=a,b'], { config: { target_cluster_id: 'c' }, tags: ['a', 'b'] }],
  [['driver=existing', 'name=12'], { driver: 'existing', name: '12' }],
  [['timeout_seconds=soon'], { timeout_seconds: 'soon' }],
])('%j become arguments of the types that the tool names', (words, expected) => {
  expect(toolArguments(tool, words)).toEqual(expected);
});

it.each([
  [['--json', '[1]'], 'must hold an object'],
  [['--json', '{'], 'holds no JSON'],
  [['--node-template-id'], 'needs a value'],
  [['a', 'b', 'c'], 'names no parameter'],
])('%j is refused', (words, message) => {
  expect(() => toolArguments(tool, words)).toThrow(message);
});

it('takes global flags wherever they stand, and tells --json from --json OBJECT', () => {
  expect(parseCommandLine(['node', 'list', '--json', '--url=http://x', '--token-file', 't', '-h'])).toEqual({
    flags: { json: true, url: 'http://x', tokenFile: 't' },
    help: true,
    version: false,
    words: ['node', 'list'],
  });
  expect(parseCommandLine(['tool', 'x', '--json', '{"a":1}']).words).toEqual(['tool', 'x', '--json', '{"a":1}']);
});

it.each([['--token', 'drv_secret'], ['--token=drv_secret'], ['-token', 'drv_secret']])(
  'takes no token as an argument: %s',
  (...words) => {
    const refusal = expect.objectContaining({ exitCode: 2, hint: expect.stringContaining('--token-file') });
    expect(() => parseCommandLine(['node', 'list', ...words])).toThrow(refusal);
  },
);

it('finds the platform and the token, flags first', () => {
  const env = { DROVER_TOKEN: 'e', DROVER_HTTP_ADDR: '0.0.0.0:9000' };
  expect(resolveSettings({ json: false }, env)).toEqual({ url: 'http://127.0.0.1:9000', token: 'e', json: false });
  const file = join(mkdtempSync(join(tmpdir(), 'drover-token-')), 'token');
  writeFileSync(file, 'f\n');
  const flags = { json: false, tokenFile: file, url: 'http://h:1/' };
  expect(resolveSettings(flags, env)).toMatchObject({ url: 'http://h:1', token: 'f' });
  expect(resolveSettings({ json: false }, { DROVER_TOKEN_FILE: file, DROVER_HTTP_ADDR: 'h:1' }).token).toBe('f');
  writeFileSync(file, 'two words\n');
  expect(() => resolveSettings(flags, env)).toThrow(`${file} holds no token`);
  rmSync(dirname(file), { recursive: true });
  expect(() => resolveSettings(flags, env)).toThrow(expect.objectContaining({ exitCode: 4 }));
  expect(() => resolveSettings({ json: false }, { DROVER_DATA_DIR: '/nowhere' })).toThrow(CliError);
  expect(() => resolveSettings({ json: false, url: 'ftp://x' }, env)).toThrow('--url ftp://x');
});

it('shows lists as tables, things as blocks, and events one a line', () => {
  expect(human({ nodes: [{ id: 'node-1', empty: null, name: 'web' }], next_cursor: null })).toBe(
    'ID      NAME\nnode-1  web',
  );
  expect(human({ node: { id: 'node-1', name: 'web' }, outcome: 'done' })).toBe(
    'id    node-1\nname  web\n\noutcome  done',
  );
  expect(human({ nodes: [] })).toBe('no nodes');
  const event = {
    kind: 'system.node.created',
    payload: { name: 'web' },
    severity: 'info',
    occurred_at: '2026-01-01T10:00:00.000Z',
  };
  expect(human({ events: [event] })).toMatch(/^10:00:00\.000 info +system\.node\.created +name=web$/);
});

it.each([
  ['--dryrun', '--dry-run'],
  ['--wiat', '--wait'],
  ['--wacht=true', '--watch'],
])('%s is refused: a flag of the CLI was nearly written', (flag, meant) => {
  expect(() => toolArguments(tool, ['web-1', flag])).toThrow(expect.objectContaining({ exitCode: 2, meant }));
});

it('leaves a flag that nobody knows to the platform, also at the end of the line', () => {
  expect(toolArguments(tool, ['web-1', '--colour'])).toEqual({ hostname: 'web-1', colour: true });
});

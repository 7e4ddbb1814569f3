import { render, shownAs } from './format.js';

const nodes = {
  nodes: [
    { id: 'node-1', name: 'a', note: 'x'.repeat(60) },
    { id: 'node-2', name: 'b', note: 'short' },
  ],
  next_cursor: null,
};
const one = { node: { id: 'node-1', name: 'a', note: 'y' } };
const as = (output: string, data: Record<string, unknown> = nodes, more: object = {}) =>
  render(data, shownAs({ json: false, output, ...more }), 'node');

it('shows a list in every format', async () => {
  expect((await as('table')).split('\n')[0]).toMatch(/^ID +NAME +NOTE/);
  expect(await as('table')).not.toContain('x'.repeat(60));
  expect(await as('wide')).toContain('x'.repeat(60));
  expect(JSON.parse(await as('json'))).toEqual({ success: true, data: nodes });
  expect(await as('yaml')).toMatch(/^nodes:\n {2}- id: node-1\n/);
  expect(await as('name')).toBe('node/a\nnode/b');
  expect((await as('ndjson')).split('\n').map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([
    'node-1',
    'node-2',
  ]);
  expect(await as('jsonpath={.nodes[*].name}')).toBe('a b');
  expect(await as('columns=name,id')).toBe('NAME  ID\na     node-1\nb     node-2');
});

it('shows a single thing in every format', async () => {
  expect(await as('name', one)).toBe('node/a');
  expect(JSON.parse(await as('ndjson', one))).toEqual(one.node);
  expect(await as('columns=name', one)).toBe('NAME\na');
  expect(await as('jsonpath={.node.note}', one)).toBe('y');
});

it('shows an empty list as what it is', async () => {
  const none = { nodes: [], next_cursor: null };
  expect(await as('table', none)).toBe('no nodes');
  expect(JSON.parse(await as('json', none))).toEqual({ success: true, data: none });
  expect(await as('name', none)).toBe('');
  expect(await as('columns=name', none)).toBe('no nodes');
});

it('picks fields, leaves headers out, and refuses a field that nothing has', async () => {
  expect(JSON.parse(await as('json', nodes, { fields: 'name' }))).toMatchObject({
    data: { nodes: [{ name: 'a' }, { name: 'b' }] },
  });
  expect(await as('columns=name', nodes, { noHeaders: true })).toBe('a\nb');
  await expect(as('json', nodes, { fields: 'nmae' })).rejects.toMatchObject({ exitCode: 2, meant: 'name' });
});

it.each([
  ['jsno', 'json'],
  ['yml', 'yaml'],
  ['jsonpath', undefined],
])('refuses -o %s', (output, meant) => {
  expect(() => shownAs({ json: false, output })).toThrow(expect.objectContaining({ exitCode: 2, meant }));
});

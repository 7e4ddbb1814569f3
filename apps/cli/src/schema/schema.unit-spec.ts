import { runSchema } from './schema.js';

const noPlatform = () => {
  throw new Error('a platform was asked');
};
const shown = async (...words: string[]): Promise<Record<string, unknown>> => {
  let text = '';
  expect(await runSchema(noPlatform, words, (out) => void (text = out))).toBe(0);
  return JSON.parse(text) as Record<string, unknown>;
};

it('knows fleet files without a platform, as a whole and of one kind', async () => {
  const all = await shown('apply');
  expect(all.$schema).toContain('2020-12');
  expect(JSON.stringify(all)).toContain('"write_url_to"');
  const node = await shown('Node');
  expect(node).toMatchObject({
    properties: { kind: { const: 'Node' }, template: { type: 'string' } },
    required: ['kind', 'name', 'template'],
    additionalProperties: false,
  });
});

it.each([
  ['--anser', '--answer'],
  ['--x', undefined],
])('refuses %s', async (flag, meant) => {
  const told = expect.objectContaining({ exitCode: 2, meant });
  await expect(runSchema(noPlatform, ['node', flag], () => undefined)).rejects.toThrow(told);
});

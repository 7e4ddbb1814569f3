import { nearest, refusal, RefusedError } from './refusal.js';

describe('nearest', () => {
  const tools = ['system_create_node', 'system_create_template', 'kubernetes_list_nodes'];

  it.each([
    ['system_create_nod', 'system_create_node'],
    ['System_Create_Node', 'system_create_node'],
    ['system_crate_template', 'system_create_template'],
    ['kubernetes_list_node', 'kubernetes_list_nodes'],
  ])('takes %s for a slip of %s', (wanted, found) => expect(nearest(wanted, tools)).toBe(found));

  it('answers nothing when nothing is near: a wild guess is worse than none', () => {
    expect(nearest('docker_run', tools)).toBeUndefined();
    expect(nearest('anything', [])).toBeUndefined();
  });

  it('forgives two slips in a short word', () => {
    expect(nearest('nmae', ['name', 'limit'])).toBe('name');
    expect(nearest('xyz', ['name', 'limit'])).toBeUndefined();
  });

  it('prefers the first of equally near choices', () => expect(nearest('at', ['cat', 'bat'])).toBe('cat'));
});

it('carries a refusal through code that can only throw', () => {
  const no = refusal(404, 'unknown_cluster', 'there is no cluster c', {
    field: 'cluster_id',
    candidates: [{ id: 'd' }],
  });
  const error = new RefusedError(no);
  expect(error).toMatchObject({ message: 'there is no cluster c', refusal: { status: 404, field: 'cluster_id' } });
});

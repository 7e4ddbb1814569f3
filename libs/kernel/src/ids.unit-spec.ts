import fc from 'fast-check';
import { categoryOf, deterministicId, deterministicUuid, ID_PREFIXES, idSchema, newId, uuidOf } from './ids.js';
import { sequentialIds } from './testing/manual-clock.js';

it('makes ids that say what they name, and takes them apart again', () => {
  const id = newId('sdwan_peer', sequentialIds());
  expect(id).toBe('sdwan_peer-00000000-0000-4000-8000-000000000001');
  expect(uuidOf(id)).toBe('00000000-0000-4000-8000-000000000001');
  expect(categoryOf(id)).toBe('sdwan_peer');
  expect(categoryOf('nodash')).toBe('');
});

it.each(ID_PREFIXES)('accepts ids of %s and of nothing else', (prefix) => {
  const schema = idSchema(prefix);
  const id = newId(prefix, sequentialIds());
  expect(schema.parse(id)).toBe(id);
  for (const wrong of [id.toUpperCase(), `${id}0`, ` ${id}`, uuidOf(id), `x${id}`, `${prefix}-`, 'other-' + uuidOf(id)])
    expect(schema.safeParse(wrong).success).toBe(false);
});

it('says what an id should look like', () => {
  expect(idSchema('cluster').safeParse('k3s').error?.issues[0]?.message).toBe('must look like cluster-<uuid>');
});

it('derives the same uuid from the same parts, and from no others', () => {
  expect(deterministicUuid('a', 1)).toBe(deterministicUuid('a', '1'));
  expect(deterministicUuid('a', 1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(deterministicId('node', 'x')).not.toBe(`node-${uuidOf(deterministicId('cluster', 'x'))}`);
});

it('never takes two different lists of parts for one', () => {
  const part = fc.string({ unit: fc.constantFrom('a', '|', '.', '||'), maxLength: 4 });
  const parts = fc.array(part, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      expect(deterministicUuid(...a) === deterministicUuid(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
    { numRuns: 2_000 },
  );
});

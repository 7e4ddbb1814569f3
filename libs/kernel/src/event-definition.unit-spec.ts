import { z } from 'zod';
import { defineEvent, EventCatalogue } from './event-definition.js';

const Renamed = defineEvent('system.thing.renamed', 3, z.object({ name: z.string(), by: z.string() }), {
  severity: 'warning',
  upcasters: {
    1: ({ title, ...rest }) => ({ ...rest, name: title }),
    2: (data) => ({ ...data, by: 'unknown' }),
  },
});
const catalogue = new EventCatalogue([Renamed, defineEvent('system.thing.made', 1, z.object({}))]);

it('makes events that carry type and data, and refuses data of another shape', () => {
  expect(Renamed({ name: 'a', by: 'b' }, { severity: 'high' })).toEqual({
    type: 'system.thing.renamed',
    data: { name: 'a', by: 'b' },
    severity: 'high',
  });
  expect(() => Renamed({ name: 'a' } as never)).toThrow();
  expect([Renamed.severity, catalogue.get('system.thing.made')?.severity]).toEqual(['warning', 'info']);
});

it('lists its types in order', () => {
  expect(catalogue.types()).toEqual(['system.thing.made', 'system.thing.renamed']);
});

describe('upcast', () => {
  it.each([
    [1, { title: 'a' }, { name: 'a', by: 'unknown' }],
    [2, { name: 'a' }, { name: 'a', by: 'unknown' }],
    [3, { name: 'a', by: 'b' }, { name: 'a', by: 'b' }],
  ])('brings version %d step by step to the current shape', (version, stored, current) => {
    expect(catalogue.upcast('system.thing.renamed', version, stored)).toEqual(current);
  });

  it('leaves what is stored untouched', () => {
    const stored = Object.freeze({ title: 'a' });
    catalogue.upcast('system.thing.renamed', 1, stored);
    expect(stored).toEqual({ title: 'a' });
  });

  it('fails for a type or a version that nobody can read, instead of skipping it', () => {
    expect(() => catalogue.upcast('system.thing.gone', 1, {})).toThrow('unknown event type system.thing.gone');
    expect(() => catalogue.upcast('system.thing.renamed', 0, {})).toThrow(
      'no upcaster for system.thing.renamed from version 0',
    );
  });
});

it('refuses two definitions of one type', () => {
  expect(() => new EventCatalogue([Renamed, Renamed])).toThrow('event type defined twice: system.thing.renamed');
});

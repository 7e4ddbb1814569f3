import { z } from 'zod';
import { defineEvent, EventCatalogue, UnreadableEventError } from './event-definition.js';

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

it('refuses a definition whose older versions could not be read', () => {
  expect(() => defineEvent('system.thing.moved', 3, z.object({}), { upcasters: { 2: (data) => data } })).toThrow(
    'system.thing.moved has no upcaster from version 1',
  );
});

describe('the current form of a recorded event', () => {
  const recorded = (schemaVersion: number, data: Record<string, unknown>) => ({
    id: 'id',
    type: 'system.thing.renamed',
    schemaVersion,
    data,
  });

  it('is the event itself when it was written by this version', () => {
    const event = recorded(3, { name: 'a', by: 'b' });
    expect(catalogue.current(event)).toBe(event);
  });

  it('carries the current version and everything else as it was', () => {
    expect(catalogue.current(recorded(1, { title: 'a' }))).toEqual(recorded(3, { name: 'a', by: 'unknown' }));
  });

  it('is refused, not guessed, when a newer build wrote it', () => {
    const future = recorded(4, { name: 'a', by: 'b', why: 'c' });
    expect(() => catalogue.current(future)).toThrow(UnreadableEventError);
    expect(() => catalogue.current(future)).toThrow(
      'system.thing.renamed is stored in schema version 4, but this build knows versions up to 3: a newer build wrote it',
    );
  });
});

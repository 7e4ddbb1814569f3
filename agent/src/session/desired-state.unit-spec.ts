import { sectionHash } from '#proto';
import {
  applyDelta,
  applySnapshot,
  emptyDesired,
  parseDesired,
  sectionStates,
  serializeDesired,
} from './desired-state.js';

const items = (value: string): Record<string, Buffer> => ({ a: Buffer.from(value), b: Buffer.from('b') });
const section = (name: string, generation: bigint, value: string) => ({
  name,
  generation,
  hash: sectionHash(new Map(Object.entries(items(value)))),
  items: items(value),
});
const snapshot = (names: string[], more: object = {}) => ({
  storeEpoch: 'e1',
  sections: names.map((n) => section(n, 3n, n)),
  unchanged: [],
  complete: true,
  ...more,
});

describe('the desired state of a node', () => {
  const two = applySnapshot(emptyDesired, snapshot(['x', 'y'])).desired;

  it('keeps what a complete snapshot calls unchanged and drops what it does not name', () => {
    const result = applySnapshot(two, snapshot(['z'], { unchanged: ['x'] }));
    expect([...result.desired.sections.keys()].sort()).toEqual(['x', 'z']);
    expect(result.removed).toEqual(['y']);
    expect(applySnapshot(two, snapshot(['z'], { complete: false })).removed).toEqual([]);
  });

  it('never takes a section that does not match its hash', () => {
    const bad = { ...section('x', 9n, 'new'), hash: 'other' };
    const result = applySnapshot(two, { ...snapshot([]), sections: [bad], unchanged: ['y'] });
    expect(result.damaged).toEqual(['x']);
    expect(result.changed).toEqual([]);
    expect(result.desired.sections.get('x')?.generation).toBe(3n);
  });

  it('accepts any new store epoch, and no delta of another one', () => {
    const moved = applySnapshot(two, snapshot(['x'], { storeEpoch: 'e2' })).desired;
    expect(moved.storeEpoch).toBe('e2');
    const delta = { storeEpoch: 'e1', section: 'x', baseGeneration: 3n, generation: 4n, hash: '', put: {}, remove: [] };
    expect(applyDelta(moved, delta)).toMatchObject({ kind: 'resync' });
  });

  it('applies a delta on its base only', () => {
    const next = new Map([['a', Buffer.from('x')]]);
    const delta = {
      storeEpoch: 'e1',
      section: 'x',
      baseGeneration: 3n,
      generation: 4n,
      hash: sectionHash(next),
      put: {},
      remove: ['b'],
    };
    const result = applyDelta(two, delta);
    expect(result.kind === 'applied' && [...result.desired.sections.get('x')!.items.keys()]).toEqual(['a']);
    expect(applyDelta(two, { ...delta, baseGeneration: 2n })).toMatchObject({ kind: 'resync' });
  });

  it('survives the disk, without what was damaged there', () => {
    const text = serializeDesired(two);
    expect(sectionStates(parseDesired(text)!, new Set())).toEqual(sectionStates(two, new Set()));
    const damaged = text.replace(Buffer.from('x').toString('base64'), Buffer.from('q').toString('base64'));
    expect([...parseDesired(damaged)!.sections.keys()]).toEqual(['y']);
    expect(parseDesired('{')).toBeUndefined();
  });
});

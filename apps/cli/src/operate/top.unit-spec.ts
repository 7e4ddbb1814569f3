import { CliError } from '../errors.js';
import { topFlags } from './top-flags.js';
import { filtered, ordered } from './top-screens.js';
import { pressed } from './top.js';

const rows = [
  { name: 'b', lastseen: 10, stage: 'RUNNING' },
  { name: 'a', lastseen: null, stage: 'PENDING' },
  { name: 'c', lastseen: 9, stage: 'RUNNING' },
];
const names = (of: readonly Readonly<Record<string, unknown>>[]) => of.map(({ name }) => name).join('');
const refused = (work: () => unknown): CliError => {
  try {
    work();
  } catch (error) {
    return error as CliError;
  }
  throw new Error('not refused');
};

describe('drover top', () => {
  it('sorts numbers as numbers, either way round, and what is not known last', () => {
    expect(names(ordered(rows, { column: 'lastseen', descending: false }))).toBe('cba');
    expect(names(ordered(rows, { column: 'lastseen', descending: true }))).toBe('bca');
    expect(names(ordered(rows, { column: 'name', descending: false }))).toBe('abc');
    expect(ordered([], { column: 'nothing', descending: false })).toEqual([]);
  });

  it('refuses a column that there is not, with the nearest', () => {
    const error = refused(() => ordered(rows, { column: 'lastsen', descending: false }));
    expect([error.exitCode, error.meant]).toEqual([2, 'lastseen']);
  });

  it('shows only what contains the words of the filter', () => {
    expect(names(filtered(rows, 'run'))).toBe('bc');
    expect(names(filtered(rows, undefined))).toBe('bac');
  });

  it('reads its flags, and refuses what it has not with what it has', () => {
    const flags = topFlags(['network', '--sort=-behind', '--every', '5s', '--filter', 'vip']);
    expect(flags).toEqual({
      ...{ screen: 'network', everyMs: 5_000, filter: 'vip', order: { column: 'behind', descending: true } },
    });
    expect(topFlags([])).toEqual({ screen: 'fleet', everyMs: 2_000 });
    expect(refused(() => topFlags(['netwrok'])).meant).toBe('network');
    expect(refused(() => topFlags(['--every', '1ms'])).why).toBe('it is from 500ms to 1h');
    expect(refused(() => topFlags(['--srot', 'x'])).meant).toBe('--sort');
    expect(refused(() => topFlags(['fleet', 'events'])).exitCode).toBe(2);
  });

  it('does what its keys say', () => {
    const flags = topFlags(['--filter', 'x']);
    expect(pressed(flags, '3', rows)).toMatchObject({ screen: 'network', filter: 'x' });
    const byName = pressed(flags, 's', rows);
    expect(byName.order).toEqual({ column: 'name', descending: false });
    expect(pressed(byName, 's', rows).order?.column).toBe('lastseen');
    expect(pressed(byName, 'r', rows).order?.descending).toBe(true);
    expect(pressed(pressed(pressed(byName, 's', rows), 's', rows), 's', rows).order).toBeUndefined();
    expect(pressed(byName, '2', rows).order).toBeUndefined();
    expect(pressed(flags, 'x', rows)).toBe(flags);
  });
});

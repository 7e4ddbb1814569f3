import { chooseLab, type RunState } from './run-state.js';

const process = { pid: 1, startTime: '1' };
const platform = { url: 'http://127.0.0.1:8080', tokenFile: '/nowhere' };
const lab = (id: string, more: Partial<RunState> = {}): RunState => ({
  id,
  owner: process,
  level: 'root',
  base: null,
  hosts: {},
  others: [],
  env: {},
  ...more,
});
const meant = (labs: readonly RunState[], id?: string) => chooseLab(labs, { id, folder: '/here' })?.id;

describe('the lab that a terminal means', () => {
  it('is the newest of its folder', () =>
    expect(meant([lab('old', { folder: '/here' }), lab('new', { folder: '/here' })])).toBe('new'));

  it('is a demo, though a test or a bench has made a lab since, in this folder or another', () =>
    expect(meant([lab('demo', { platform, folder: '/other' }), lab('test', { folder: '/here' })])).toBe('demo'));

  it('is the demo of its own folder, though a newer one runs from another', () =>
    expect(meant([lab('mine', { platform, folder: '/here' }), lab('other', { platform, folder: '/other' })])).toBe(
      'mine',
    ));

  it('is the one that it names, and no other when that has gone', () => {
    const labs = [lab('a', { platform, folder: '/here' }), lab('b')];
    expect(meant(labs, 'b')).toBe('b');
    expect(meant(labs, 'c')).toBeUndefined();
    expect(meant([])).toBeUndefined();
  });
});

import { human, table } from './output.js';

describe('tables', () => {
  it('show a thing once that tools answer under two names', () => {
    const rows = [{ id: 'instance-1', status: 'running', state: 'running' }];
    expect(table(rows, 80).split('\n')[0]).toBe('ID          STATUS');
    const apart = [{ id: 'instance-1', status: 'running', state: 'draining' }];
    expect(table(apart, 80).split('\n')[0]).toBe('ID          STATUS   STATE');
  });

  it('leave out what does not fit, never an id', () => {
    const rows = [{ id: 'instance-0123456789', name: 'one', note: 'x'.repeat(30) }];
    expect(table(rows, 30)).not.toContain('xxx');
    expect(table(rows, 10)).toContain('instance-0123456789');
  });

  it('say so when a list is empty', () => {
    expect(human({ virtual_ips: [] })).toBe('no virtual ips');
    expect(human({ status: 'rotated', waiting_for: [] })).toBe('status       rotated\nwaiting_for  -');
  });
});

import fc from 'fast-check';
import { formatIp, parseIp } from './ip.js';

describe('addresses as numbers', () => {
  it('print what they parse, in the shortest form', () => {
    expect(formatIp(parseIp('FD00:0:0:0:0:0:0:0100')!)).toBe('fd00::100');
    expect(formatIp(parseIp('1:0:0:2:0:0:0:3')!)).toBe('1:0:0:2::3');
    for (const bad of ['1.2.3', '256.1.1.1', '01.2.3.4', 'fd00::1::2', 'fd00', ':1', '1:2:3:4:5:6:7:8:9', 'g::'])
      expect(parseIp(bad)).toBeUndefined();
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) =>
        expect(parseIp(formatIp({ family: 6, value }))?.value).toBe(value),
      ),
    );
  });
});

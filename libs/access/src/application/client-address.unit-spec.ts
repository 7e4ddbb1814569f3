import { clientAddress, trustedProxies } from './client-address.js';

const ours = trustedProxies(['10.0.0.0/8', 'fd00::/64', '192.0.2.1']);

it.each<[string, string | undefined, string]>([
  // No proxy of ours: what it says of others is its own invention.
  ['203.0.113.5', '198.51.100.1', '203.0.113.5'],
  ['203.0.113.5', undefined, '203.0.113.5'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['192.0.2.1', '198.51.100.1', '198.51.100.1'],
  ['192.0.2.2', '198.51.100.1', '192.0.2.2'],
  ['fd00::7', '2001:db8::9', '2001:db8::9'],
  ['::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
  // What the caller wrote stands left of what our proxy saw.
  ['10.0.0.1', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
  ['10.0.0.1', '10.9.9.9, 198.51.100.1, 10.0.0.2', '198.51.100.1'],
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['10.0.0.1', '198.51.100.1:55123', '198.51.100.1'],
  ['10.0.0.1', '[2001:db8::9]:55123', '2001:db8::9'],
  ['10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
  ['10.0.0.1', "198.51.100.1, '; drop table", '10.0.0.1'],
  ['10.0.0.1', '', '10.0.0.1'],
])('%s that speaks for %j is %s', (remote, forwardedFor, address) => {
  expect(clientAddress(remote, forwardedFor, ours)).toBe(address);
});

it('trusts nobody where none is named', () => {
  expect(clientAddress('127.0.0.1', '198.51.100.1', trustedProxies([]))).toBe('127.0.0.1');
});

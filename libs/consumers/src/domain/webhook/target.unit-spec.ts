import { checkTarget, isPublicAddress } from './target.js';

describe('where a webhook may go', () => {
  it.each([
    '127.0.0.1',
    '127.8.9.1',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.3.4',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::1',
    '2001::1',
    'nonsense',
  ])('not to %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['1.1.1.1', '203.0.114.7', '2606:4700:4700::1111'])('to %s', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    'http://127.0.0.1/x',
    'http://127.1/x',
    'http://0x7f.1/x',
    'http://2130706433/',
    'http://[::1]:8080/',
    'http://[::ffff:7f00:1]/',
    'http://localhost/x',
    'http://a.localhost./x',
    'http://169.254.169.254/latest/meta-data',
  ])('%s is refused as private, whatever its spelling', (url) => {
    expect(checkTarget(url, false)).toMatchObject({ code: 'private_target', field: 'url', status: 400 });
    expect(checkTarget(url, true)).toBeInstanceOf(URL);
  });

  it('names the nearest valid scheme, and wants no password in the URL', () => {
    expect(checkTarget('ftp://hooks.example.com/a', false)).toMatchObject({
      hint: 'did you mean https://hooks.example.com/a?',
    });
    expect(checkTarget('https://me:secret@hooks.example.com/', false)).toMatchObject({ field: 'url' });
    expect(JSON.stringify(checkTarget('https://me:secret@hooks.example.com/', false))).not.toContain('secret');
  });
});

import { endpointRefusal } from './endpoint.js';

describe('the host of an endpoint', () => {
  it.each(['192.0.2.7', '2001:db8::7', 'gw.example.org', 'gw', 'xn--bcher-kva.example', 'a-1.example.', '10.0.0.1'])(
    'may be %s',
    (host) => expect(endpointRefusal(host)).toBeUndefined(),
  );

  it.each([
    ['gw.example.org:51820', /gw\.example\.org; the port is endpoint_port/],
    ['[2001:db8::7]:51820', /use endpoint_host 2001:db8::7/],
    ['udp://gw.example.org/x', /use endpoint_host gw\.example\.org/],
    [' gw.example.org', /use endpoint_host gw\.example\.org/],
    ['gw..example.org', /gw\.example\.org/],
    ['-gw.example.org', /for example/],
    ['gw example', /for example/],
    ['300.1.1.1', /for example/],
    ['1.2.3', /for example/],
    ['127.0.0.1', /others reach/],
    ['0.0.0.0', /others reach/],
    ['::', /others reach/],
    ['ff02::1', /others reach/],
    ['a'.repeat(64), /for example/],
  ])('is refused as %s', (host, hint) => {
    const refusal = endpointRefusal(host)!;
    expect([refusal.code, refusal.field]).toEqual(['endpoint_host_invalid', 'endpoint_host']);
    expect(refusal.hint).toMatch(hint);
  });
});

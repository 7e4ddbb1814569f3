import type { Request, Response } from 'express';
import { originCheck } from './origin-check.js';

/** What the check does with a request: undefined when it passes, else the status and the field it names. */
const judge = (check: ReturnType<typeof originCheck>, headers: Record<string, string>) => {
  let answer: { status: number; field?: string } | undefined = { status: 0 };
  const response = {
    status: (status: number) => ({
      json: (body: { error: { field: string } }) => (answer = { status, field: body.error.field }),
    }),
  };
  check({ headers } as unknown as Request, response as unknown as Response, () => (answer = undefined));
  return answer;
};

describe('who may be asked for on the loopback', () => {
  const check = originCheck(true, 'http://10.77.0.1:8080');

  it.each(['localhost:8080', '127.0.0.1:8080', '[::1]:8080', '10.77.0.1:8080'])('%s is served', (host) =>
    expect(judge(check, { host })).toBeUndefined(),
  );
  it.each(['evil.example', '10.77.0.2:8080', ''])('%j is refused, and the refusal names the Host', (host) =>
    expect(judge(check, { host })).toEqual({ status: 403, field: 'Host' }),
  );
  it('serves an IPv6 public host in any spelling', () =>
    expect(judge(originCheck(true, 'http://[fd77::1]:8080'), { host: '[FD77:0::1]:8080' })).toBeUndefined());
  it('takes a page of the public host only for that host', () => {
    expect(judge(check, { host: '10.77.0.1:8080', origin: 'http://10.77.0.1:8080' })).toBeUndefined();
    const foreign = { status: 403, field: 'Origin' };
    expect(judge(check, { host: 'localhost:8080', origin: 'http://10.77.0.1:8080' })).toEqual(foreign);
    expect(judge(check, { host: '10.77.0.1:8080', origin: 'http://evil.example' })).toEqual(foreign);
  });
  it('serves loopback names only without a public URL', () =>
    expect(judge(originCheck(true), { host: '10.77.0.1:8080' })).toEqual({ status: 403, field: 'Host' }));
});

describe('who may be asked for elsewhere', () => {
  it('serves any host, and pages of that host only', () => {
    const check = originCheck(false, 'http://drover.example');
    expect(judge(check, { host: '192.0.2.1:8080' })).toBeUndefined();
    expect(judge(check, { host: '192.0.2.1:8080', origin: 'http://evil.example' })).toMatchObject({ status: 403 });
  });
});

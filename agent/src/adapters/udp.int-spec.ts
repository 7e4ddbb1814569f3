import { createSocket } from 'node:dgram';
import { systemDatagrams } from './udp.js';

const AWAY = 'fd00:dead::1';

describe('whether a machine answers at an address', () => {
  it('does when nobody listens there, because its kernel says so', async () => {
    for (const address of ['127.0.0.1', '::1']) expect(await systemDatagrams.reaches(address, 1, 5_000)).toBe(true);
  });

  it('does when somebody answers with a datagram', async () => {
    const server = createSocket('udp4');
    server.on('message', (bytes, from) => server.send(bytes, from.port, from.address));
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', () => resolve()));
    expect(await systemDatagrams.reaches('127.0.0.1', server.address().port, 5_000)).toBe(true);
    server.close();
  });

  it('does not when somebody listens and says nothing, nor when nothing leads there', async () => {
    const server = createSocket('udp4');
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', () => resolve()));
    const [mute, away] = await Promise.all([
      systemDatagrams.reaches('127.0.0.1', server.address().port, 400),
      systemDatagrams.reaches(AWAY, 7_447, 400),
    ]);
    server.close();
    expect([mute, away]).toEqual([false, false]);
  });
});

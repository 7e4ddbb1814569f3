import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { Client } from './src/client.js';
import { createCa, issue } from './src/pki.js';

const listening = async <S extends Server>(server: S): Promise<string> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

describe("the stand-in's client of several servers", () => {
  const servers: Server[] = [];
  let asked: { silent: number };
  let silent: string;
  let halfway: string;
  let alive: string;

  beforeAll(async () => {
    asked = { silent: 0 };
    const { cert, key } = await issue(await createCa('ca'), {
      commonName: 'server',
      ips: ['127.0.0.1'],
      usage: 'server',
    });
    servers.push(createServer(() => void asked.silent++));
    servers.push(createHttps({ cert, key }, (_, answer) => answer.writeHead(200).write('{"half":')));
    servers.push(createHttps({ cert, key }, (_, answer) => answer.end('{"whole":true}')));
    [silent, halfway, alive] = (await Promise.all(servers.map(listening))) as [string, string, string];
  });
  afterAll(() => {
    for (const server of servers) server.close();
  });

  const client = (...of: string[]) => new Client(of, { insecure: true }, {}, 3_000);

  it('stays with the one that answered, however many calls failed at once at another', async () => {
    const caller = client(silent, alive);
    const all = await Promise.all([1, 2, 3, 4].map(() => caller.json('GET', '/')));
    expect(all).toEqual(Array(4).fill({ whole: true }));
    const before = asked.silent;
    expect(await caller.json('GET', '/')).toEqual({ whole: true });
    expect(asked.silent).toBe(before);
  });

  it('leaves one that stops in the middle of its answer', async () => {
    expect(await client(halfway, alive).json('GET', '/')).toEqual({ whole: true });
  });
});

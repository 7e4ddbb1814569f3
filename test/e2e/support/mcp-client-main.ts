import { createInterface } from 'node:readline';
import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/**
 * The official MCP client as a program of its own, with nothing of Drover in it: `http URL`, or `stdio COMMAND…` for a server that it
 * starts. Takes calls as lines of JSON and answers them so; how it got there is between it and the server.
 */
const [how, ...rest] = process.argv.slice(2);
const { DROVER_TOKEN: token = '', DROVER_URL: url = '', PATH = '', HOME = '' } = process.env;

const transport = (): Transport => {
  if (how === 'stdio') {
    const [command = '', ...args] = rest;
    return new StdioClientTransport({ command, args, env: { PATH, HOME, DROVER_TOKEN: token, DROVER_URL: url } });
  }
  // A connection each: on a crowded machine a kept one may have ended just when it is used again, and nobody knows then what was done.
  const requestInit = { headers: { authorization: `Bearer ${token}`, connection: 'close' } };
  return new StreamableHTTPClientTransport(new URL(rest[0]!), { requestInit });
};

const tell = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? [error.message, ...(error.cause === undefined ? [] : [reasonOf(error.cause)])].join(': ')
    : String(error);
/** For what hangs; the client's own minute is a measure of the machine. */
const PATIENCE = { timeout: 170_000 };

const main = async (): Promise<void> => {
  const client = new Client({ name: 'drover-outside', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(transport());
  // From here on it checks every answer against the tool's output schema.
  const { tools } = await client.listTools();
  tell({ ready: { era: client.getProtocolEra(), server: client.getServerVersion(), tools: tools.length } });
  const open = new Set<Promise<void>>();
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...call } = JSON.parse(line) as { id: number; name: string; arguments: Record<string, unknown> };
    const answering: Promise<void> = client.callTool(call, PATIENCE).then(
      (result) => tell({ id, result }),
      (error: unknown) => tell({ id, error: reasonOf(error) }),
    );
    open.add(answering);
    void answering.finally(() => open.delete(answering));
  }
  await Promise.all(open);
  await client.close();
};

main().then(
  () => process.exit(0),
  (error: unknown) => {
    tell({ failed: reasonOf(error) });
    process.exit(1);
  },
);

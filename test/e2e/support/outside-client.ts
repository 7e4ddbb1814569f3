import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { Operator, type McpCaller } from '../../../apps/lab/src/demo/operator.js';

export interface Ready {
  readonly era: string;
  readonly tools: number;
}
type Said =
  | { readonly ready: Ready }
  | { readonly failed: string }
  | { readonly id: number; readonly result: CallToolResult }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (result: CallToolResult) => void;
  readonly reject: (error: Error) => void;
}

export interface Outside {
  /** The compiled copy. */
  readonly root: string;
  readonly url: string;
  readonly token: string;
  /** `stdio`: the client starts `drover mcp`, as an assistant's configuration would. */
  readonly transport: 'http' | 'stdio';
}

/** The official MCP client in a process of its own; this end only hands it the calls and takes the answers. */
export class OutsideClient implements McpCaller {
  private readonly waiting = new Map<number, Waiting>();
  private calls = 0;
  private ended: Error | undefined;

  private constructor(
    private readonly child: ChildProcess,
    readonly ready: Ready,
    lines: AsyncIterable<string>,
  ) {
    void this.follow(lines);
  }

  static async start({ root, url, token, transport }: Outside): Promise<OutsideClient> {
    const main = join(root, 'dist/test/e2e/support/mcp-client-main.js');
    const server = [process.execPath, join(root, 'bin/drover.mjs'), 'mcp', '--all'];
    const args = transport === 'stdio' ? server : [`${url}/mcp/all`];
    const env = { PATH: process.env['PATH'], HOME: root, DROVER_TOKEN: token, DROVER_URL: url };
    const child = spawn(process.execPath, [main, transport, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    const said = (value === undefined ? { failed: 'it ended without a word' } : JSON.parse(value)) as Said;
    if (!('ready' in said)) throw new Error(`the outside client did not come up: ${JSON.stringify(said)}`);
    return new OutsideClient(child, said.ready, { [Symbol.asyncIterator]: () => lines });
  }

  static async operator(how: Outside): Promise<{ client: OutsideClient; operator: Operator }> {
    const client = await OutsideClient.start(how);
    return { client, operator: new Operator(client) };
  }

  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<CallToolResult> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = ++this.calls;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.stdin!.write(`${JSON.stringify({ id, ...call })}\n`);
    });
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin!.end();
    await ended;
  }

  private async follow(lines: AsyncIterable<string>): Promise<void> {
    for await (const line of lines) {
      const said = JSON.parse(line) as Exclude<Said, { ready: Ready } | { failed: string }>;
      const one = this.waiting.get(said.id);
      this.waiting.delete(said.id);
      if ('result' in said) one?.resolve(said.result);
      else one?.reject(new Error(said.error));
    }
    this.ended = new Error('the outside client has ended');
    for (const one of this.waiting.values()) one.reject(this.ended);
  }
}

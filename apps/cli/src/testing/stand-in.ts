import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a tool answers, now or later; undefined: nothing, ever. */
export type Answers = (asked: Asked) => object | undefined | Promise<object>;

const TOOL = {
  group: 'x',
  summary: 's',
  description: 'd',
  aliases: {},
  examples: [],
  input_schema: { properties: { name: { type: 'string' } }, required: ['name'] },
};
const TOOLS = [
  { ...TOOL, name: 'system_create_template', danger: 'change', cli: ['template', 'create'] },
  { ...TOOL, name: 'system_list_templates', danger: 'read', cli: ['template', 'list'], input_schema: {} },
];

/** A platform as far as the command line sees it, that answers as slowly as a test wants. */
export class StandIn {
  readonly asked: Asked[] = [];
  answers: Answers = () => ({});

  private constructor(private readonly server: Server) {}

  static async start(): Promise<StandIn> {
    const server = createServer((request, response) => void stand.serve(request, response));
    const stand = new StandIn(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return stand;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Calls of one tool, or requests of one path that ends so. */
  calls(name: string): readonly Asked[] {
    return this.asked.filter(({ path }) => path.endsWith(`/${name}`));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of request) text += String(part);
    const path = request.url ?? '';
    const body = (text === '' ? {} : JSON.parse(text)) as Asked['body'];
    const asked = { path, headers: request.headers, body };
    this.asked.push(asked);
    const data = path === '/api/v1/tools' ? { tools: TOOLS } : await this.answers(asked);
    if (data !== undefined) response.end(JSON.stringify({ success: true, data }));
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

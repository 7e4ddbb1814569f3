import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { CliError } from './errors.js';
import { resolveSettings, type GlobalFlags, type Settings } from './settings.js';

type Message = Parameters<StdioServerTransport['send']>[0];

export const MCP_USAGE = `drover mcp: the platform's tools for an assistant on this machine, as an MCP server on stdin and stdout

  drover mcp                          the default tools; others can be called by name
  drover mcp --toolsets nodes,sdwan   only these: templates, nodes, sdwan, kubernetes, docker, events, platform
  drover mcp --all                    all tools
  drover mcp --readonly               only what changes nothing

The token comes from DROVER_TOKEN, DROVER_TOKEN_FILE, the context or the data directory, as for every command; give an assistant a guarded one.`;

interface Selected {
  readonly path: string;
}

/** Where the platform serves what was selected. */
export const mcpPath = (words: readonly string[]): Selected => {
  let path = '/mcp';
  let readonly = '';
  for (let i = 0; i < words.length; i++) {
    const [word, inline] = words[i]!.split(/=(.*)/s);
    if (word === '--readonly') readonly = '/readonly';
    else if (word === '--all') path = '/mcp/all';
    else if (word === '--toolsets') path = `/mcp/x/${encodeURIComponent(inline ?? words[++i] ?? '')}`;
    else throw new CliError(`drover mcp: ${word}`, 'there is no such option', 'drover mcp --help', 2);
  }
  return { path: `${path}${readonly}` };
};

const idOf = (message: Message): string | number | undefined =>
  'id' in message && (typeof message.id === 'string' || typeof message.id === 'number') ? message.id : undefined;

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Carries messages between two transports of the official SDK and understands three: the answer to `initialize` (its protocol
 * version goes with every later request of that era), a cancellation (over HTTP that is the end of the request), and what
 * could not be carried. Both eras pass, whatever they say.
 */
export class Bridge {
  private readonly running = new Map<string | number, AbortController>();
  private initializing: string | number | undefined;

  constructor(
    private readonly local: Pick<StdioServerTransport, 'send'>,
    private readonly remote: Pick<StreamableHTTPClientTransport, 'send' | 'setProtocolVersion'>,
  ) {}

  async fromClient(message: Message): Promise<void> {
    if ('method' in message && message.method === 'notifications/cancelled') {
      const { requestId } = (message.params ?? {}) as { requestId?: string | number };
      if (requestId !== undefined) this.running.get(requestId)?.abort();
      return;
    }
    const id = 'method' in message ? idOf(message) : undefined;
    const cancel = new AbortController();
    if (id !== undefined) this.running.set(id, cancel);
    if ('method' in message && message.method === 'initialize') this.initializing = id;
    try {
      await this.remote.send(message, { requestSignal: cancel.signal });
    } catch (error) {
      if (id === undefined || cancel.signal.aborted) return;
      this.running.delete(id);
      await this.local.send({ jsonrpc: '2.0', id, error: { code: -32_603, message: textOf(error) } });
    }
  }

  async fromPlatform(message: Message): Promise<void> {
    const id = 'method' in message ? undefined : idOf(message);
    if (id !== undefined) {
      if (this.running.get(id)?.signal.aborted === true) return void this.running.delete(id);
      this.running.delete(id);
      if (id === this.initializing && 'result' in message) {
        const { protocolVersion } = message.result as { protocolVersion?: string };
        if (protocolVersion !== undefined) this.remote.setProtocolVersion(protocolVersion);
        this.initializing = undefined;
      }
    }
    await this.local.send(message);
  }

  /** Requests that are still carried. */
  get open(): number {
    return this.running.size;
  }
}

const serve = async (settings: Settings, { path }: Selected): Promise<number> => {
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const { StdioServerTransport } = await import('@modelcontextprotocol/server/stdio');
  const requestInit = { headers: { authorization: `Bearer ${settings.token}` } };
  const remote = new StreamableHTTPClientTransport(new URL(`${settings.url}${path}`), { requestInit });
  const local = new StdioServerTransport();
  const bridge = new Bridge(local, remote);
  const tell = (error: unknown) => void process.stderr.write(`drover mcp: ${textOf(error)}\n`);
  local.onmessage = (message) => void bridge.fromClient(message).catch(tell);
  remote.onmessage = (message) => void bridge.fromPlatform(message).catch(tell);
  local.onerror = tell;
  const ended = new Promise<void>((resolve) => (local.onclose = resolve));
  await remote.start();
  await local.start();
  await ended;
  await remote.close();
  return 0;
};

/** `drover mcp`: until stdin ends. */
export const runMcp = async (command: {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}): Promise<number> => {
  if (command.help) {
    process.stdout.write(`${MCP_USAGE}\n`);
    return 0;
  }
  const selected = mcpPath(command.words);
  const settings = resolveSettings(command.flags, command.env);
  if (settings.protectedContext !== undefined && !selected.path.endsWith('/readonly')) {
    const { fetchCatalogue } = await import('./client.js');
    const { requireMeant } = await import('./contexts/protect.js');
    // Its stdin is the assistant's: nobody types a name there.
    await requireMeant(settings, (await fetchCatalogue(settings)).guarded, {
      stdin: process.stdin,
      stderr: process.stderr,
    });
  }
  return serve(settings, selected);
};

import { pipeline, Transform, type Readable } from 'node:stream';
import type { Terminal } from './contexts/protect.js';
import { CliError } from './errors.js';
import { Bridge, textOf } from './mcp-bridge.js';
import { pause } from './pause.js';
import { resolveSettings, type GlobalFlags, type Settings } from './settings.js';

export const MCP_USAGE = `drover mcp: the platform's tools for an assistant on this machine, as an MCP server on stdin and stdout

  drover mcp                          the default tools; others can be called by name
  drover mcp --toolsets nodes,sdwan   only these: templates, nodes, sdwan, kubernetes, docker, events, platform
  drover mcp --all                    all tools
  drover mcp --readonly               only what changes nothing

Requests can also be piped in: what was asked before stdin ended is answered first.
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

/** Who ends stdin and stays away so long gets no answer any more. */
const LINGER_MS = 60_000;

/**
 * stdin, whose end comes only when what was asked before it is answered: the SDK's transport is closed by the end, and says nothing more
 * then, while a script that is piped in ends as soon as it has said its last request.
 */
export const endsWhenAnswered = (stdin: Readable, answeredAll: () => Promise<void>, lingerMs = LINGER_MS): Readable => {
  let isWholeLine = true;
  const held = new Transform({
    transform: (chunk: Buffer, _, done) => {
      isWholeLine = chunk.at(-1) === 0x0a;
      done(null, chunk);
    },
    flush: (done) => {
      // What `printf` says last is a message too.
      if (!isWholeLine) held.push('\n');
      const over = new AbortController();
      const all = async () => {
        await answeredAll();
        over.abort();
      };
      // By then its reader has taken what came before the end.
      setImmediate(() => {
        void all();
        void pause(lingerMs, over.signal).then(() => done());
      });
    },
  });
  // A stdin that breaks is told by `held`, which breaks with it.
  pipeline(stdin, held, () => undefined);
  return held;
};

const serve = async (settings: Settings, { path }: Selected): Promise<number> => {
  const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const { StdioServerTransport } = await import('@modelcontextprotocol/server/stdio');
  const requestInit = { headers: { authorization: `Bearer ${settings.token}` } };
  const remote = new StreamableHTTPClientTransport(new URL(`${settings.url}${path}`), { requestInit });
  const tell = (error: unknown) => void process.stderr.write(`drover mcp: ${textOf(error)}\n`);
  const stdin = endsWhenAnswered(process.stdin, () => bridge.answeredAll());
  const local = new StdioServerTransport(stdin);
  const bridge = new Bridge(local, remote, tell);
  local.onmessage = (message) => void bridge.fromClient(message).catch(tell);
  remote.onmessage = (message) => void bridge.fromPlatform(message).catch(tell);
  local.onerror = tell;
  const ended = new Promise<void>((resolve) => (local.onclose = resolve));
  await remote.start();
  await local.start();
  await ended;
  // Where it was not stdin that ended: nothing reads it any more.
  stdin.destroy();
  const { open } = bridge;
  await remote.close();
  if (open > 0) tell(`${open} of the requests had no answer ${LINGER_MS / 1_000} s after stdin ended`);
  return open === 0 ? 0 : 1;
};

interface McpCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `drover mcp`: until stdin ends. */
export const runMcp = async (command: McpCommand, terminal: Terminal = process): Promise<number> => {
  if (command.help) {
    process.stdout.write(`${MCP_USAGE}\n`);
    return 0;
  }
  const selected = mcpPath(command.words);
  const settings = resolveSettings(command.flags, command.env);
  if (settings.protectedContext !== undefined && !selected.path.endsWith('/readonly')) {
    const { fetchCatalogue } = await import('./client.js');
    const { requireMeant } = await import('./contexts/protect.js');
    const { guarded, who } = await fetchCatalogue(settings);
    // Where its stdin is an assistant's, nobody types a name there.
    await requireMeant(settings, guarded, terminal, who);
  }
  return serve(settings, selected);
};

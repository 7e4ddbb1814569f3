import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, silentLog, type Log } from '#kernel';
import { startPlatform, type RunningPlatform } from '../platform.js';

export interface TestPlatform {
  readonly platform: RunningPlatform;
  readonly url: string;
  readonly token: string;
  readonly dataDir: string;
  /** The REST twin of a tool call. */
  rest(
    name: string,
    args: unknown,
    token?: string,
  ): Promise<{ status: number; body: Record<string, never> & RestBody }>;
  /** A connected official MCP client. */
  mcp(token?: string): Promise<Client>;
  stop(): Promise<void>;
}

export interface RestBody {
  readonly success: boolean;
  readonly data: Record<string, unknown>;
  readonly error: { readonly code: string; readonly message: string; readonly field?: string; readonly hint?: string };
}

/** The real platform in this process, on free ports and a data directory of its own. */
export const startTestPlatform = async (
  env: Readonly<Record<string, string>> = {},
  log: Log = silentLog,
): Promise<TestPlatform> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-platform-'));
  const config = parseConfig({
    DROVER_DATA_DIR: dataDir,
    DROVER_HTTP_ADDR: '127.0.0.1:0',
    DROVER_AGENT_ADDR: '127.0.0.1:0',
    DROVER_ENROLL_ADDR: '127.0.0.1:0',
    ...env,
  });
  const platform = await startPlatform({ config, log, onBadOutput: 'throw' });
  // On a loaded machine a client uses a kept connection in the moment at which the server ends it: read ECONNRESET.
  (platform.app.getHttpServer() as Server).keepAliveTimeout = 0;
  const token = platform.firstToken ?? '';
  const url = platform.httpUrl;
  return {
    platform,
    url,
    token,
    dataDir,
    rest: async (name, args, as = token) => {
      const response = await fetch(`${url}/api/v1/tools/${name}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
        body: JSON.stringify(args),
      });
      return { status: response.status, body: (await response.json()) as never };
    },
    mcp: (as = token) => connectMcp(url, as),
    stop: async () => {
      await platform.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

export const connectMcp = async (url: string, token: string): Promise<Client> => {
  const client = new Client({ name: 'drover-test', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  return client;
};

import { Bridge, mcpPath } from './mcp.js';

type Message = Parameters<Bridge['fromClient']>[0];

const setup = (send: (message: Message, signal: AbortSignal) => Promise<void>) => {
  const told: Message[] = [];
  const versions: string[] = [];
  const bridge = new Bridge(
    { send: async (message) => void told.push(message) },
    {
      send: (message, options) => send(message as Message, options!.requestSignal!),
      setProtocolVersion: (version) => void versions.push(version),
    },
  );
  return { bridge, told, versions };
};
const request = (id: number, method = 'tools/call'): Message => ({ jsonrpc: '2.0', id, method, params: {} });

describe('drover mcp', () => {
  it('carries messages as they are, and remembers the version of the earlier era', async () => {
    const sent: Message[] = [];
    const { bridge, told, versions } = setup(async (message) => void sent.push(message));
    await bridge.fromClient(request(1, 'initialize'));
    await bridge.fromPlatform({ jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } });
    expect([sent, versions]).toEqual([[request(1, 'initialize')], ['2025-11-25']]);
    expect(told).toEqual([{ jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } }]);
    expect(bridge.open).toBe(0);
  });

  it('answers what could not be carried with an error under its id', async () => {
    const { bridge, told } = setup(async () => Promise.reject(new Error('the platform is away')));
    await bridge.fromClient(request(7));
    expect(told).toEqual([{ jsonrpc: '2.0', id: 7, error: { code: -32_603, message: 'the platform is away' } }]);
  });

  it('ends a cancelled request, and answers it no more', async () => {
    let ended: AbortSignal | undefined;
    const { bridge, told } = setup((_, signal) => {
      ended = signal;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    });
    const call = bridge.fromClient(request(3));
    await bridge.fromClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } });
    await call;
    await bridge.fromPlatform({ jsonrpc: '2.0', id: 3, result: {} });
    expect([ended?.aborted, told, bridge.open]).toEqual([true, [], 0]);
  });

  it('goes where the toolsets are', () => {
    expect(mcpPath([]).path).toBe('/mcp');
    expect(mcpPath(['--all', '--readonly']).path).toBe('/mcp/all/readonly');
    expect(mcpPath(['--toolsets', 'nodes,sdwan']).path).toBe('/mcp/x/nodes%2Csdwan');
    expect(() => mcpPath(['--al'])).toThrow('--al');
  });
});

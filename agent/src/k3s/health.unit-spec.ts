import { isoTime, ManualClock } from '#kernel';
import type { AgentPorts } from '../ports.js';
import { agentHealth, serverHealth } from './health.js';
import { k3sPaths } from './paths.js';

const RESTARTED = { node: 'n1', atMs: 1_000_000 };
const NODE = JSON.stringify({ status: { conditions: [{ type: 'Ready', status: 'True' }] } });
const KUBECONFIG = ['certificate-authority-data', 'client-certificate-data', 'client-key-data']
  .map((name) => `  ${name}: ${Buffer.from(name).toString('base64')}`)
  .join('\n');

const portsWith = (renewedMs: number | undefined, nowMs: number): AgentPorts => {
  const lease = JSON.stringify({ spec: { renewTime: isoTime(renewedMs ?? 0) } });
  return {
    clock: new ManualClock(nowMs),
    files: {
      read: async (path: string) =>
        Buffer.from(path.endsWith('.json') ? '{"ServerURL":"https://s","ServerAddresses":[]}' : KUBECONFIG),
    },
    http: {
      get: async (url: string) => {
        if (!url.includes('/leases/')) return { status: 200, body: url.includes('/nodes/') ? NODE : 'ok' };
        return renewedMs === undefined ? { status: 404, body: 'not found' } : { status: 200, body: lease };
      },
    },
  } as unknown as AgentPorts;
};
const paths = k3sPaths('/');
const both = async (ports: AgentPorts, restarted = RESTARTED) => [
  (await agentHealth(ports, paths, restarted)).ready,
  (await serverHealth(ports, paths, restarted)).ready,
];

describe('a node on which K3s was started anew', () => {
  it('is not well by the word of the kubelet that was there before', async () => {
    expect(await both(portsWith(RESTARTED.atMs - 1, RESTARTED.atMs + 5_000))).toEqual([false, false]);
    expect(await both(portsWith(undefined, RESTARTED.atMs + 5_000))).toEqual([false, false]);
  });

  it('is well when the new one has renewed its lease', async () => {
    expect(await both(portsWith(RESTARTED.atMs + 1, RESTARTED.atMs + 5_000))).toEqual([true, true]);
  });

  it('is not asked for it when it was never started anew, long after, or after the clock was set back', async () => {
    expect(await both(portsWith(undefined, Date.UTC(2026, 0, 1)), { node: 'n1', atMs: 0 })).toEqual([true, true]);
    expect(await both(portsWith(RESTARTED.atMs - 1, RESTARTED.atMs + 700_000))).toEqual([true, true]);
    expect(await both(portsWith(RESTARTED.atMs - 1, RESTARTED.atMs - 700_000))).toEqual([true, true]);
  });
});

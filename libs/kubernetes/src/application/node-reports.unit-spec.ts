import { ManualClock } from '#kernel';
import type { AgentIdentity } from '#agent-gateway';
import type { agentV1 } from '#proto';
import type { KubernetesDirectory } from './directory.js';
import { NodeReports } from './node-reports.js';
import type { VersionDirectory } from './upgrade/version-directory.js';

const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)];
const setUp = () => {
  const clock = new ManualClock();
  const instance = { modules: new Map([['m', { name: 'k3s-server' }]]) };
  const directory = { instances: new Map([['n1', instance]]), clusterOfMember: () => ({ id: 'c' }) };
  const wanted = { sha256: OLD };
  const versions = { versionOf: () => wanted };
  const reports = new NodeReports(
    directory as unknown as KubernetesDirectory,
    versions as unknown as VersionDirectory,
    clock,
  );
  const say = (binaryDigest: string) =>
    reports.onRuntimeHealth(
      { instanceId: 'n1' } as AgentIdentity,
      { certificatesEndMs: 1_000, binaryDigest } as agentV1.RuntimeHealth,
    );
  return { clock, reports, say, wanted };
};

it('a report holds while it is said anew', async () => {
  const { clock, reports, say } = setUp();
  for (let i = 0; i < 20; i++) {
    say(OLD);
    await clock.advance(10_000);
    expect(reports.of('n1')).toEqual({ certificatesEndMs: 1_000, binaryDigest: OLD, wantedDigest: OLD });
  }
});

it('an old one is not held against what is wanted since: another process hears the node, or nobody does', async () => {
  const { clock, reports, say, wanted } = setUp();
  say(OLD);
  wanted.sha256 = NEW;
  await clock.advance(61_000);
  expect(reports.of('n1')).toEqual({ certificatesEndMs: null, binaryDigest: null, wantedDigest: NEW });
  say(NEW);
  expect(reports.of('n1')).toMatchObject({ binaryDigest: NEW, wantedDigest: NEW });
});

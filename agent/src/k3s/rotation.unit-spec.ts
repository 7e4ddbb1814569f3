import { silentLog } from '#kernel';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import { makeTestCa } from '../testing/test-ca.js';
import { k3sPaths } from './paths.js';
import { PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';
import { K3sRotation } from './rotation.js';
import { ServerToken } from './server-token.js';

const spec = { kind: 'k3s_server', assignment_id: 'a', certificate_generation: 3 } as unknown as K3sSpec;

/** A node whose disk holds `certificates`, and what is done there. */
const node = (certificates: Readonly<Record<string, string>>) => {
  const paths = k3sPaths('/');
  const did: string[] = [];
  const files = {
    read: async (path: string) => {
      const text = certificates[path.replace(`${paths.dataDir}/`, '')];
      return text === undefined ? undefined : Buffer.from(text);
    },
    write: async () => undefined,
  };
  const processes = {
    run: async (_binary: string, argv: readonly string[]) => {
      did.push(argv.slice(0, 2).join(' '));
      return { code: 0, stdout: '', stderr: '' };
    },
  };
  const services = { stop: async (name: string) => void did.push(`stop ${name}`) } as unknown as ServiceManager;
  const ports = { files, processes, log: silentLog } as unknown as AgentPorts;
  const phases = new PhaseStore(files as never, '/phases');
  return {
    rotation: new K3sRotation({ ports, services, phases, paths, token: new ServerToken(files as never, '/state') }),
    phases,
    did,
  };
};

describe('the certificates of a node', () => {
  it('are made anew once for each generation, while k3s is down', async () => {
    const { pem } = await makeTestCa();
    const { rotation, phases, did } = node({ 'server/tls/client-admin.crt': pem });
    await phases.set('a', { ready: true, joined: true });
    await rotation.before(spec, 'k3s', 'k3s');
    await rotation.before(spec, 'k3s', 'k3s');
    expect(did).toEqual(['stop k3s', 'certificate rotate']);
    expect(phases.get('a')).toMatchObject({ certificates: 3, ready: false, joined: true, life: 2 });
    expect(await rotation.news(spec)).toMatchObject({ certificateGeneration: 3 });
    await rotation.told(spec, {});
    expect(await rotation.news(spec)).toBeUndefined();
  });

  it('are new anyway on a disk that has none: k3s is asked for nothing that it could refuse', async () => {
    const { rotation, phases, did } = node({});
    await rotation.before(spec, 'k3s', 'k3s');
    expect(did).toEqual(['stop k3s']);
    expect(phases.get('a')).toMatchObject({ certificates: 3 });
  });
});

import { dockerHostDecider, endpointOf, noHost, type DockerHostCommand, type DockerHostState } from './host.js';

const HOST = 'docker_host-00000000-0000-4000-8000-000000000001';
const INSTANCE = 'instance-00000000-0000-4000-8000-000000000001';
const request = (address = 'fd00::1'): DockerHostCommand => ({
  kind: 'request',
  hostId: HOST,
  instanceId: INSTANCE,
  name: 'w1',
  address,
});
const run = (commands: readonly DockerHostCommand[], from: DockerHostState = noHost) => {
  let state = from;
  const kinds: string[] = [];
  for (const command of commands) {
    const decision = dockerHostDecider.decide(command, state);
    if (decision.kind !== 'accept') {
      kinds.push(decision.kind === 'reject' ? decision.refusal.code : decision.reason);
      continue;
    }
    for (const event of decision.events) {
      kinds.push(event.type.replace('system.docker.', ''));
      state = dockerHostDecider.evolve(state, event);
    }
  }
  return { state, kinds };
};
const signed: DockerHostCommand = {
  kind: 'cert_signed',
  serial: '40',
  publicKeyDigest: 'a'.repeat(64),
  notAfter: '2026-05-01T00:00:00.000Z',
};

it('goes from requested over a signed certificate to connected, and is provisioned once', () => {
  const { state, kinds } = run([
    request(),
    request(),
    { kind: 'wants_cert', publicKeyDigest: 'a'.repeat(64), address: 'fd00::1' },
    signed,
    { kind: 'ready', version: '20.10.24' },
    { kind: 'ready', version: '20.10.24' },
    { kind: 'ready', version: '27.5.1' },
    { kind: 'ready', version: '27.5.1', anew: true },
  ]);
  expect(kinds).toEqual([
    'host_requested',
    'requested_before',
    'handshake.wants_cert',
    'handshake.cert_signed',
    'handshake.ready',
    'provisioned',
    'ready_before',
    'handshake.ready',
    'handshake.ready',
  ]);
  expect(state).toMatchObject({ status: 'connected', version: '27.5.1', apiEndpoint: endpointOf('fd00::1') });
});

it('hears nothing of a decommissioned host until it is provisioned again, then starts over', () => {
  const { state, kinds } = run([request(), { kind: 'decommission' }, signed, { kind: 'decommission' }, request()]);
  expect(kinds).toEqual([
    'host_requested',
    'decommissioned',
    'docker_host_decommissioned',
    'decommissioned_before',
    'host_requested',
  ]);
  expect(state).toMatchObject({ status: 'pending', certificateSerial: null });
});

it('counts what is wanted of it, and what of that is the case', () => {
  const counted = (...commands: readonly DockerHostCommand[]) => {
    const { state } = run(commands);
    return state.status === 'absent' ? undefined : [state.generation, state.observed];
  };
  const ready = { kind: 'ready', version: '27.5.1' } as const;
  expect(counted(request())).toEqual([1, null]);
  expect(counted(request(), ready)).toEqual([1, 1]);
  expect(counted(request(), ready, { kind: 'decommission' })).toEqual([2, 1]);
  expect(counted(request(), ready, { kind: 'decommission' }, { kind: 'stopped' })).toEqual([2, 2]);
  expect(counted(request(), ready, { kind: 'decommission' }, { kind: 'stopped' }, request())).toEqual([3, 2]);
});

it('follows its node to another address', () => {
  expect(run([request(), request('fd00::2')]).state).toMatchObject({ apiEndpoint: 'tcp://[fd00::2]:2376' });
});

it('knows no host that nobody asked for', () => {
  expect(run([{ kind: 'ready', version: '1.0.0' }]).kinds).toEqual(['docker_host_not_found']);
});

import { agentV1 } from '#proto';
import type { HandshakeRig } from './handshake-rig.js';

export const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Y2E=}}]
users: [{name: default, user: {client-key-data: c2VjcmV0LWtleQ==}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;
export const SERVER_TOKEN = `K10${'a'.repeat(64)}::server:server-secret`;
export const bootstrap = {
  runtime: agentV1.Runtime.RUNTIME_K3S_SERVER,
  phase: agentV1.Phase.PHASE_BOOTSTRAP,
  kubeconfig: KUBECONFIG,
  serverToken: SERVER_TOKEN,
  agentToken: SERVER_TOKEN,
  caPem: 'ca',
  version: 'v1.30.5+k3s1',
};
export const ready = (runtime: agentV1.Runtime) => ({
  runtime,
  phase: agentV1.Phase.PHASE_READY,
  version: 'v1.30.5+k3s1',
  nodeName: 'n',
});

/** A cluster of one server, made the way the tutorial makes it. */
export const oneServer = async (rig: HandshakeRig, name = 's1', assignment = 'k3s-server' as never) => {
  await rig.instance(name);
  await rig.peer(name, 1 + Number(name.slice(1)));
  await rig.assign(name, 'k3s-server', assignment);
  await rig.phase(name, bootstrap);
  await rig.phase(name, ready(agentV1.Runtime.RUNTIME_K3S_SERVER));
};

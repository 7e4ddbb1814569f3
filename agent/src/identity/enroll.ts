import { backoffMs, errorMessage, sleep, failpoint } from '#kernel';
import { RemoteError, type AgentPorts } from '../ports.js';
import { AGENT_VERSION } from '../version.js';
import { certificateRequest } from './csr.js';
import { certificatePem, type Identity, type IdentityStore } from './identity-store.js';

export interface EnrollmentOptions {
  readonly address: string | undefined;
  readonly caPin: string | undefined;
  readonly token: string | undefined;
}

/** The platform said no, and asking again will not help. */
export class EnrollmentRefused extends Error {
  override readonly name = 'EnrollmentRefused';
}

/** The stored identity, or a fresh one from the platform; repeats until it succeeds or is refused for good. */
export const ensureEnrolled = async (
  ports: AgentPorts,
  store: IdentityStore,
  options: EnrollmentOptions,
  signal: AbortSignal,
): Promise<Identity | undefined> => {
  const known = await store.load();
  if (known !== undefined) return known;
  const { address, caPin, token } = options;
  if (address === undefined || caPin === undefined || token === undefined)
    throw new EnrollmentRefused(
      'this node is not enrolled: --enroll, --ca-pin and a join token (--token-file or DROVER_JOIN_TOKEN) are needed',
    );
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      return await enrollOnce(ports, store, { address, caPin, token });
    } catch (error) {
      if (error instanceof RemoteError && error.permanent)
        throw new EnrollmentRefused(`${error.code}: ${error.message}`);
      const wait = backoffMs(attempt, () => ports.random.unit(), 250, 15_000);
      ports.log.warn({ error: errorMessage(error), retry_in_ms: wait }, 'enrolment failed, trying again');
      await sleep(ports.timers, wait, signal);
    }
  }
  return undefined;
};

const enrollOnce = async (
  ports: AgentPorts,
  store: IdentityStore,
  options: { address: string; caPin: string; token: string },
): Promise<Identity> => {
  const { key, pem } = await store.pendingKey();
  await failpoint('agent.enrolling');
  const answer = await ports.transport.enroll(options.address, options.caPin, {
    joinToken: options.token,
    csrDer: certificateRequest(key, ports.host.hostname),
    agentVersion: AGENT_VERSION,
    hostname: ports.host.hostname,
    bootId: ports.host.bootId,
    machineId: ports.host.machineId,
  });
  const identity: Identity = {
    instanceId: answer.instanceId,
    agentAddress: answer.agentAddress,
    keyPem: pem,
    certificatePem: certificatePem(answer.certificateDer),
    caPem: answer.caDer.map(certificatePem).join(''),
  };
  await failpoint('agent.enrolled');
  await store.save(identity);
  await failpoint('agent.identity_saved');
  ports.log.info({ instance_id: identity.instanceId, agent_address: identity.agentAddress }, 'enrolled');
  return identity;
};

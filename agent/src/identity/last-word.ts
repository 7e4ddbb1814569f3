import { deterministicUuid, errorMessage, sleep } from '#kernel';
import { agentV1 } from '#proto';
import { RemoteError, type AgentPorts } from '../ports.js';
import type { Identity } from './identity-store.js';

const ATTEMPTS = 3;
const PAUSE_MS = 1_000;
/** Of each list: more than an operator reads of one machine. */
const ENTRIES = 50;
const LENGTH = 300;

const short = (texts: readonly string[]): string[] => texts.slice(0, ENTRIES).map((text) => text.slice(0, LENGTH));

/**
 * Tells the platform what was taken away and what is left, with the certificate of an instance that is over. The machine is
 * clean whether anybody hears of it or not: a platform that is away is not waited for.
 */
export const lastWord = async (
  ports: AgentPorts,
  identity: Identity,
  said: { readonly removed: readonly string[]; readonly left: readonly string[] },
): Promise<void> => {
  const request = agentV1.ReportPhaseRequest.fromPartial({
    requestId: deterministicUuid('wiped', identity.instanceId),
    phase: agentV1.Phase.PHASE_WIPED,
    ...{ removed: short(said.removed), left: short(said.left) },
  });
  const connection = ports.transport.connect(identity.agentAddress, identity);
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        return void (await connection.reportPhase(request));
      } catch (error) {
        ports.log.warn({ error: errorMessage(error), attempt }, 'what was wiped could not be reported');
        if (error instanceof RemoteError && error.permanent) return;
        if (attempt < ATTEMPTS) await sleep(ports.timers, PAUSE_MS);
      }
    }
  } finally {
    connection.close();
  }
};

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

/** With the certificate of an instance that is over. False when nobody took it. */
export const sayOnce = async (
  ports: AgentPorts,
  identity: Identity,
  report: Partial<agentV1.ReportPhaseRequest>,
  attempts = 1,
): Promise<boolean> => {
  const connection = ports.transport.connect(identity.agentAddress, identity);
  try {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        await connection.reportPhase(agentV1.ReportPhaseRequest.fromPartial(report));
        return true;
      } catch (error) {
        ports.log.warn({ error: errorMessage(error), attempt }, 'the platform could not be told of the wipe');
        if (error instanceof RemoteError && error.permanent) return false;
        if (attempt < attempts) await sleep(ports.timers, PAUSE_MS);
      }
    }
    return false;
  } finally {
    connection.close();
  }
};

/**
 * Tells the platform what was taken away and what is left. The machine is clean whether anybody hears of it or not: a
 * platform that is away is not waited for.
 */
export const lastWord = async (
  ports: AgentPorts,
  identity: Identity,
  said: { readonly removed: readonly string[]; readonly left: readonly string[] },
): Promise<void> => {
  const requestId = deterministicUuid('wiped', identity.instanceId);
  const lists = { removed: short(said.removed), left: short(said.left) };
  await sayOnce(ports, identity, { requestId, phase: agentV1.Phase.PHASE_WIPED, ...lists }, ATTEMPTS);
};

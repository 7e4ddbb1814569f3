import { refusal, RefusedError } from '#kernel';
import type { agentV1 } from '#proto';

/** Characters. What K3s writes is far below; beyond them a report is not one, and must not reach the log or the store. */
const BOUNDS = {
  requestId: 128,
  kubeconfig: 64 * 1024,
  serverToken: 4 * 1024,
  agentToken: 4 * 1024,
  caPem: 64 * 1024,
  version: 128,
  clusterId: 128,
} as const satisfies Partial<Record<keyof agentV1.ReportPhaseRequest, number>>;

/** A message may have 4 MiB, an event 1 MiB: each field that is kept has a bound of its own. */
export const checkBounds = (request: agentV1.ReportPhaseRequest): void => {
  for (const [field, bound] of Object.entries(BOUNDS)) {
    const { length } = request[field as keyof typeof BOUNDS];
    if (length <= bound) continue;
    throw new RefusedError(
      refusal(413, 'field_too_long', `${field} has ${length} characters; at most ${bound} are taken`, {
        field,
        hint: 'report the files as K3s wrote them',
      }),
    );
  }
};

import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { refusal, RefusedError, type Log } from '#kernel';
import type { agentV1 } from '#proto';
import type { EnrollmentHandler } from '../ports.js';
import { toServiceError } from './refusals.js';

/** Signatures are costly and callers are unknown: more at once than this are told to come again. */
const MAX_AT_ONCE = 1_024;

export const enrollmentService = (deps: {
  readonly enrollment: () => EnrollmentHandler;
  readonly log: Log;
}): UntypedServiceImplementation => {
  let running = 0;
  const enroll = async (request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse> => {
    if (running >= MAX_AT_ONCE) {
      throw new RefusedError(refusal(503, 'busy', 'too many enrolments at once', { hint: 'try again in a second' }));
    }
    running++;
    try {
      return await deps.enrollment().enroll(request);
    } finally {
      running--;
    }
  };
  return {
    enroll: (
      call: ServerUnaryCall<agentV1.EnrollRequest, agentV1.EnrollResponse>,
      done: sendUnaryData<agentV1.EnrollResponse>,
    ): void => {
      enroll(call.request).then(
        (response) => done(null, response),
        (error: unknown) => done(toServiceError(error, deps.log, 'Enroll')),
      );
    },
  };
};

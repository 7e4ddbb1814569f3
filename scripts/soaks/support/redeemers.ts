import { generateKeyPairSync } from 'node:crypto';
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import { agentV1 } from '#proto';
import { certificateRequest } from '../../../agent/src/identity/csr.js';

export interface JoinOffer {
  readonly token: string;
  readonly address: string;
  readonly caPem: string;
}
export interface RaceResult {
  /** The certificates that were given out, DER in base64. */
  readonly certificates: readonly string[];
  /** Why the others have none, and how many of them. */
  readonly refusals: Readonly<Record<string, number>>;
  /** How often a racer was told to come again, which it did. */
  readonly cameAgain: number;
}

/** A TLS connection of its own for each: they are strangers to each other. */
const redeemer = ({ address, caPem, token }: JoinOffer) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const csrDer = certificateRequest(privateKey, 'racer');
  const client = new agentV1.EnrollmentServiceClient(address, credentials.createSsl(Buffer.from(caPem)), {
    'grpc.use_local_subchannel_pool': 1,
  });
  const request = { joinToken: token, csrDer, agentVersion: '1', hostname: 'racer', bootId: 'b', machineId: 'm' };
  return {
    connected: () =>
      new Promise<void>((resolve, reject) =>
        client.waitForReady(Date.now() + 60_000, (error) => (error === undefined ? resolve() : reject(error))),
      ),
    redeem: () =>
      new Promise<Answer>((resolve) =>
        client.enroll(request, (error: ServiceError | null, answer) => resolve(answerOf(error, answer))),
      ),
    close: () => client.close(),
  };
};

type Answer =
  | { readonly kind: 'certificate'; readonly der: string }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'again' };

/** The refusal's code stands first in the status message. */
const answerOf = (error: ServiceError | null, answer: agentV1.EnrollResponse): Answer => {
  if (error === null) return { kind: 'certificate', der: Buffer.from(answer.certificateDer).toString('base64') };
  if (error.code === status.UNAVAILABLE) return { kind: 'again' };
  return { kind: 'refused', code: error.details.split(':')[0]! };
};

const MAX_TRIES = 20;

/** So many strangers, each with its own key and connection, redeem one join token at once. */
export const race = async (offer: JoinOffer, count: number): Promise<RaceResult> => {
  const racers = Array.from({ length: count }, () => redeemer(offer));
  try {
    await Promise.all(racers.map((racer) => racer.connected()));
    let cameAgain = 0;
    const run = async (racer: (typeof racers)[number]): Promise<Answer> => {
      for (let tries = 1; ; tries++) {
        const answer = await racer.redeem();
        if (answer.kind !== 'again' || tries === MAX_TRIES) return answer;
        cameAgain++;
      }
    };
    const answers = await Promise.all(racers.map(run));
    const refusals: Record<string, number> = {};
    for (const answer of answers) {
      const code = answer.kind === 'refused' ? answer.code : answer.kind;
      if (code !== 'certificate') refusals[code] = (refusals[code] ?? 0) + 1;
    }
    return { certificates: answers.flatMap((a) => (a.kind === 'certificate' ? [a.der] : [])), refusals, cameAgain };
  } finally {
    for (const racer of racers) racer.close();
  }
};

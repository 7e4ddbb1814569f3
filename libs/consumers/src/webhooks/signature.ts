import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Standard Webhooks (standardwebhooks.com): the receiver checks `webhook-signature` over id, timestamp and the bytes of the
 * body, refuses a timestamp that is too old, and recognises a repetition by `webhook-id`.
 */
const PREFIX = 'whsec_';

/** `whsec_` and 32 bytes as base64, as the libraries of the standard take it. */
export const signingSecret = (bytes: Uint8Array): string => PREFIX + Buffer.from(bytes).toString('base64');

const keyOf = (secret: string): Buffer => Buffer.from(secret.slice(PREFIX.length), 'base64');

export const signature = (secret: string, id: string, timestamp: number, body: string): string =>
  `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`;

export const signedHeaders = (secret: string, id: string, nowMs: number, body: string): Record<string, string> => {
  const timestamp = Math.floor(nowMs / 1000);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signature(secret, id, timestamp, body),
  };
};

/** Whether one of the signatures of the header is that of the secret. */
export const isSigned = (secret: string, header: string, id: string, timestamp: number, body: string): boolean => {
  const wanted = Buffer.from(signature(secret, id, timestamp, body));
  return header.split(' ').some((one) => {
    const given = Buffer.from(one);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
};

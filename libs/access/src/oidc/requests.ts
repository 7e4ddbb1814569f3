import { z } from 'zod';
import { refusal, RefusedError } from '#kernel';

/** Where the browser comes back to: a program on the machine of who logs in, and nothing else (RFC 8252, 7.3). */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost):\d{1,5}\/callback$/;

export const startBody = z.strictObject({
  redirect_uri: z.string().regex(LOOPBACK, 'must be http://127.0.0.1:PORT/callback'),
  code_challenge: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be the SHA-256 of the verifier, base64url'),
});
export const finishBody = z.strictObject({
  login: z.string().min(1).max(4_000),
  code: z.string().min(1).max(4_000),
  state: z.string().min(1).max(200),
  code_verifier: z.string().regex(/^[A-Za-z0-9._~-]{43,128}$/, 'must be 43 to 128 letters, digits and - . _ ~'),
  iss: z.string().max(500).optional(),
});
export const deviceStartBody = startBody.pick({ code_challenge: true });
export const deviceFinishBody = finishBody.pick({ login: true, code_verifier: true });
export type DeviceStartRequest = z.output<typeof deviceStartBody>;
export type DeviceFinishRequest = z.output<typeof deviceFinishBody>;
export type StartRequest = z.output<typeof startBody>;
export type FinishRequest = z.output<typeof finishBody>;

export const parseLoginRequest = <T>(schema: z.ZodType<T>, body: unknown): T => {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.join('.') || 'body';
  throw new RefusedError(
    refusal(400, 'invalid_request', `${field}: ${message}`, { field, hint: 'drover login does all this' }),
  );
};

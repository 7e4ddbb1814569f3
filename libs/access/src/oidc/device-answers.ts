import { z } from 'zod';
import { isSafeUrl, refusal, type Refusal, type RefusedError } from '#kernel';

/** What the token endpoint gives for a code. */
export interface Tokens {
  readonly id_token: string;
  readonly access_token: string | undefined;
}

export type DevicePoll =
  | { readonly kind: 'pending'; readonly wait: { readonly interval: number; readonly slow_down?: true } }
  | { readonly kind: 'in'; readonly tokens: Tokens }
  | { readonly kind: 'out'; readonly error: RefusedError };

/** Seconds between two looks where the provider does not say (RFC 8628, 3.2). */
export const POLL_S = 5;

const page = z.string().max(2_000).refine(isSafeUrl, 'must be https://');

export const deviceAuthorization = z.object({
  device_code: z.string().min(1).max(2_000),
  /** Somebody reads it in a terminal. */
  user_code: z.string().regex(/^[\x21-\x7e]{1,40}$/),
  verification_uri: page,
  verification_uri_complete: page.optional(),
  expires_in: z.number().int().min(1),
  interval: z.number().int().min(1).max(60).default(POLL_S),
});
export type DeviceAuthorization = z.output<typeof deviceAuthorization>;

export const DEVICE_ENDS: Readonly<Record<string, readonly [code: string, message: string]>> = {
  access_denied: ['login_denied', 'somebody refused this login at the provider'],
  expired_token: ['login_expired', 'nobody entered the code in time'],
};

export const noDeviceLogin = (issuer: string, why?: string): Refusal =>
  refusal(
    409,
    'device_login_unsupported',
    why === undefined
      ? `the identity provider ${issuer} has no device login`
      : `the identity provider ${issuer} allows this platform no device login (${why})`,
    { hint: 'drover login --no-browser shows an address to open anywhere, or use a token: drover login --token-stdin' },
  );

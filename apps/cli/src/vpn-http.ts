import { z } from 'zod';
import { CliError } from './errors.js';
import { deviceConfig, redeemed, type DeviceConfig, type Source } from './vpn-config.js';

const envelope = z.union([
  z.object({ success: z.literal(true), data: z.unknown() }),
  z.object({
    success: z.literal(false),
    error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  }),
]);

/** Beyond what the platform was told to wait. */
const ANSWER_MS = 30_000;

/** The device's own calls: no operator's token goes along. URLs may hold a token, so messages name the platform only. */
const call = async <T>(url: URL, init: RequestInit, shape: z.ZodType<T>, waitS = 0): Promise<T> => {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(waitS * 1_000 + ANSWER_MS) });
    body = await response.json();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`the platform at ${url.origin} does not answer`, why, 'check the address', 3);
  }
  const answer = envelope.safeParse(body);
  if (!answer.success)
    throw new CliError(`${url.origin} does not answer like Drover`, `HTTP ${response.status}`, 'check the address', 3);
  if (!answer.data.success) {
    const { error } = answer.data;
    throw new CliError(error.message, `${error.code} (HTTP ${response.status})`, error.hint, 1, error);
  }
  const data = shape.safeParse(answer.data.data);
  if (data.success) return data.data;
  const issue = data.error.issues[0]!;
  throw new CliError(`${url.origin} sent what is no configuration`, `${issue.path.join('.')}: ${issue.message}`);
};

export const redeem = (url: URL, publicKey: string, name: string | undefined) =>
  call(
    url,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ public_key: publicKey, ...(name === undefined ? {} : { name }) }),
    },
    redeemed,
  );

/** With `waitS` the answer waits until the configuration is another than the one that is known. */
export const fetchConfig = ({ url, path, token, hash }: Source, waitS = 0): Promise<DeviceConfig> => {
  const target = new URL(path, url);
  if (waitS > 0) target.search = new URLSearchParams({ wait: String(waitS), have: hash }).toString();
  return call(target, { headers: { authorization: `Bearer ${token}` } }, deviceConfig, waitS);
};

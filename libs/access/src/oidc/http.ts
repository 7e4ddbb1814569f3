import { errorMessage, isSafeUrl } from '#kernel';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 512 * 1024;

/** The provider does not answer, or not as one does. Nobody's login is at fault. */
export class ProviderUnavailableError extends Error {
  override readonly name: string = 'ProviderUnavailableError';
}

/** It answers, and wants to be asked less often (HTTP 429): this platform asks it for everybody who logs in here. */
export class ProviderBusyError extends ProviderUnavailableError {
  override readonly name = 'ProviderBusyError';
}

const TOO_MANY = 429;

const bounded = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new ProviderUnavailableError(`the answer has more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** What stands before a provider says "too many" in words of its own. */
const parsed = (status: number, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (status === TOO_MANY) throw new ProviderBusyError(`HTTP ${TOO_MANY}`);
    throw error;
  }
};

export interface ProviderAnswer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/** One call of the provider: no redirects, a bounded answer in bounded time, HTTPS but for this machine. */
export const callProvider = async (url: string, init: RequestInit = {}): Promise<ProviderAnswer> => {
  if (!isSafeUrl(url)) throw new ProviderUnavailableError('it names an address that is not https://');
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { ...init, redirect: 'error', signal });
    const json = parsed(response.status, await bounded(response));
    if (typeof json !== 'object' || json === null) {
      if (response.status === TOO_MANY) throw new ProviderBusyError(`HTTP ${TOO_MANY}`);
      throw new ProviderUnavailableError('the answer is no JSON object');
    }
    return { status: response.status, json: json as ProviderAnswer['json'] };
  } catch (error) {
    if (error instanceof ProviderUnavailableError) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new ProviderUnavailableError(errorMessage(cause));
  }
};

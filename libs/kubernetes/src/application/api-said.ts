import { foreignText, RefusedError } from '#kernel';

const MOST_PARSED = 16_384;

/** `message` of the Status object that an API server explains itself with; it may also be any other text. */
const explained = (body: unknown): string => {
  const given = typeof body === 'object' && body !== null ? body : parsed(body);
  const { message } = (given ?? {}) as { readonly message?: unknown };
  return foreignText(typeof message === 'string' ? message : body);
};

const parsed = (body: unknown): object | undefined => {
  if (typeof body !== 'string' || body.length > MOST_PARSED) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // then it is shown as it is
  }
};

/**
 * Why something of a cluster could not be had, for events, answers and logs. The official client puts the whole answer into
 * its errors, headers and all, and that is a tenant's text of any length.
 */
export const apiSaid = (error: unknown, most = 500): string => {
  if (error instanceof RefusedError) return foreignText(error.message, most);
  const { code, body, cause, message } = (error ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof code === 'number' && body !== undefined) {
    const why = explained(body);
    return foreignText(`HTTP ${code}${why === '' ? '' : `: ${why}`}`, most);
  }
  // "fetch failed" alone helps nobody.
  const because = foreignText((cause as { readonly message?: unknown } | null | undefined)?.message);
  const said = foreignText(message ?? error, most);
  return foreignText(because === '' || said.includes(because) ? said : `${said}: ${because}`, most);
};

const MOST_NAMED = 10;

/** Names of a tenant's things, a few of them. */
export const named = (names: readonly string[]): string[] => {
  const more = names.length > MOST_NAMED ? [`and ${names.length - MOST_NAMED} more`] : [];
  return [...names.slice(0, MOST_NAMED), ...more];
};

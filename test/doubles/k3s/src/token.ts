/** What a token says: whom to be, and (in its full form) which CA the server must show. */
export interface ParsedToken {
  readonly caHash: string | undefined;
  readonly username: string;
  readonly password: string;
  /** A bootstrap token `id.secret` is sent as bearer, a server or agent secret as basic auth. */
  readonly bearer: string | undefined;
}

const BOOTSTRAP = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;

export const parseToken = (token: string): ParsedToken => {
  const trimmed = token.trim();
  const full = /^K10([0-9a-f]{64})::(.+)$/.exec(trimmed);
  if (full === null && trimmed.startsWith('K10'))
    throw new Error('token format: unexpected K10 token, want K10<CA-HASH>::<USERNAME>:<PASSWORD>');
  const rest = full?.[2] ?? trimmed;
  if (BOOTSTRAP.test(rest)) return { caHash: full?.[1], username: '', password: '', bearer: rest };
  const colon = rest.indexOf(':');
  if (full !== null && colon < 0) throw new Error('token format: invalid credentials format');
  if (colon < 0) return { caHash: undefined, username: '', password: rest, bearer: undefined };
  return { caHash: full?.[1], username: rest.slice(0, colon), password: rest.slice(colon + 1), bearer: undefined };
};

export const formatToken = (caHash: string, secret: string): string => `K10${caHash}::server:${secret}`;
export const formatBootstrapToken = (caHash: string, id: string, secret: string): string =>
  `K10${caHash}::${id}.${secret}`;

/** The header this token is sent with; an agent calls itself `node` whatever the token says. */
export const authorizationOf = (token: ParsedToken, username: string): string =>
  token.bearer === undefined
    ? `Basic ${Buffer.from(`${username}:${token.password}`).toString('base64')}`
    : `Bearer ${token.bearer}`;

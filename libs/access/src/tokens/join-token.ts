import { sha256Hex, uuidOf, type InstanceId, type Random } from '#kernel';

/** A join token is bound to one instance: `drvj_<instance uuid>_<secret>`. Single use and expiry are the instance's to decide. */
const FORMAT = /^drvj_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export interface JoinToken {
  readonly instanceId: InstanceId;
  /** Derived from the digest: names the token in events and answers without telling it. */
  readonly tokenId: string;
  /** Hex sha256 of the whole token. */
  readonly digest: string;
}

const described = (instanceId: InstanceId, token: string): JoinToken => {
  const digest = sha256Hex(token);
  return { instanceId, tokenId: `jt_${digest.slice(0, 16)}`, digest };
};

export const mintJoinToken = (
  instanceId: InstanceId,
  random: Pick<Random, 'bytes'>,
): JoinToken & { readonly token: string } => {
  const token = `drvj_${uuidOf(instanceId)}_${Buffer.from(random.bytes(32)).toString('base64url')}`;
  return { token, ...described(instanceId, token) };
};

/** Undefined when it cannot be a join token of any platform. */
export const parseJoinToken = (token: string): JoinToken | undefined => {
  const match = FORMAT.exec(token);
  return match === null ? undefined : described(`instance-${match[1]!}`, token);
};

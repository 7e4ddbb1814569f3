import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { ClusterSecrets } from './files.js';

/** The cluster's keys as K3s keeps them in its datastore: locked with the server token. */
export interface LockedBootstrap {
  readonly iv: string;
  readonly tag: string;
  readonly data: string;
}

const keyOf = (secret: string): Buffer => createHash('sha256').update(`bootstrap:${secret}`).digest();

export const lock = (secrets: ClusterSecrets): LockedBootstrap => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secrets.secret), iv);
  const data = Buffer.concat([cipher.update(JSON.stringify(secrets)), cipher.final()]);
  return { iv: iv.toString('hex'), tag: cipher.getAuthTag().toString('hex'), data: data.toString('base64') };
};

export const unlock = ({ iv, tag, data }: LockedBootstrap, secret: string): ClusterSecrets => {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), Buffer.from(iv, 'hex'));
  decipher.setAuthTag(Buffer.from(tag, 'hex'));
  try {
    return JSON.parse(
      decipher.update(Buffer.from(data, 'base64'), undefined, 'utf8') + decipher.final('utf8'),
    ) as ClusterSecrets;
  } catch {
    throw new Error('bootstrap data already found and encrypted with different token');
  }
};

export const BOOTSTRAP_PREFIX = '/bootstrap';

/** The password itself is not derivable from the key's name: 12 hex digits of its hash, as K3s names it. */
export const keyNameOf = (secret: string): string =>
  `${BOOTSTRAP_PREFIX}/${createHash('sha256').update(secret).digest('hex').slice(0, 12)}`;

/** Where the cluster's keys are kept: in embedded etcd, or in a database elsewhere (sql/bootstrap-key.ts). */
export interface BootstrapKeys {
  /** Locks them with the secret that these have now in the place of the one before; false when they are locked with another. */
  relock(before: string, secrets: ClusterSecrets): Promise<boolean>;
}

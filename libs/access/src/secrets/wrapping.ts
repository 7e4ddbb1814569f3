import { canonicalJson, type Random } from '#kernel';
import type { MasterKey } from './master-keys.js';
import { seal, unseal } from './sealing.js';

/** What is sealed is bound to its subject and name. */
export const bound = (subject: string, name: string): string => canonicalJson(['drover secret', subject, name]);

export class MasterKeyMissingError extends Error {
  override readonly name = 'MasterKeyMissingError';
  constructor() {
    super(
      'the master key was replaced and this process lacks the new one: copy master.key from the data directory of a process that has it (docs/runbooks/secrets.md)',
    );
  }
}

export const wrapKey = (
  master: Uint8Array,
  subject: string,
  keyId: string,
  dataKey: Uint8Array,
  random: Pick<Random, 'bytes'>,
): Uint8Array => seal(master, dataKey, bound(subject, `key:${keyId}`), random);

/** `masters`: those that may have wrapped it. Throws what the last of them throws. */
export const unwrapKey = (
  masters: readonly MasterKey[],
  subject: string,
  keyId: string,
  wrapped: Uint8Array,
): Uint8Array => {
  let failure: unknown = new MasterKeyMissingError();
  for (const { bytes } of masters) {
    try {
      return unseal(bytes, wrapped, bound(subject, `key:${keyId}`));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
};

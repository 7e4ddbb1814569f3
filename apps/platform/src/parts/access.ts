import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deterministicId, systemRandom, type Config } from '#kernel';
import type { OperatorAuthenticator, Principal } from '#access';

export interface OpenedAccess {
  readonly operators: OperatorAuthenticator;
  readonly firstToken?: string;
}

export const openAccess = async (config: Config): Promise<OpenedAccess> => {
  const token = Buffer.from(systemRandom.bytes(24)).toString('base64url');
  mkdirSync(config.DROVER_DATA_DIR, { recursive: true });
  writeFileSync(join(config.DROVER_DATA_DIR, 'admin.token'), `${token}\n`, { mode: 0o600 });
  const digest = createHash('sha256').update(token).digest('hex');
  const admin: Principal = {
    operatorId: deterministicId('operator', 'admin'),
    accountId: deterministicId('account', 'default'),
    name: 'admin',
    permissions: new Set(['*']),
  };
  const authenticate = async (given: string) =>
    createHash('sha256').update(given).digest('hex') === digest ? admin : undefined;
  return { operators: { authenticate }, firstToken: token };
};

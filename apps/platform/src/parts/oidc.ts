import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  ConfigError,
  errorMessage,
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
  type Config,
  type Log,
} from '#kernel';
import { FairTurns, OidcLogin } from '#access';
import type { Transactor } from '#processing';
import type { IdempotencyLedger } from '#tools';
import type { OpenedAccess } from './access.js';

const secretIn = (file: string | undefined): string | undefined => {
  if (file === undefined) return undefined;
  try {
    const secret = readFileSync(file, 'utf8').trim();
    if (secret !== '') return secret;
  } catch (error) {
    throw new ConfigError(`DROVER_OIDC_CLIENT_SECRET_FILE: ${errorMessage(error)}`);
  }
  throw new ConfigError(`DROVER_OIDC_CLIENT_SECRET_FILE: ${file} is empty`);
};

/** Logins whose codes the provider is asked about, and that wait for it. */
const [AT_ONCE, MAX_WAITING] = [16, 1_000];

/** Logins of people, where a provider is configured. The provider is asked at the first login, not at the start. */
export const openOidc = (parts: {
  readonly config: Config;
  readonly log: Log;
  readonly transactor: Transactor;
  readonly access: OpenedAccess;
  readonly ledger: IdempotencyLedger;
}): OidcLogin | undefined => {
  const { config, access, transactor, ledger } = parts;
  const { DROVER_OIDC_ISSUER: issuer, DROVER_OIDC_CLIENT_ID: clientId, DROVER_OIDC_RULES: rules } = config;
  if (issuer === undefined || clientId === undefined || rules === undefined) return undefined;
  const clientSecret = secretIn(config.DROVER_OIDC_CLIENT_SECRET_FILE);
  return new OidcLogin({
    ...{ rules, transactor, clock: systemClock, random: systemRandom, ids: systemIds },
    client: { issuer, clientId, clientSecret, scopes: config.DROVER_OIDC_SCOPES },
    nameClaim: config.DROVER_OIDC_NAME_CLAIM,
    sessionMs: config.DROVER_OIDC_SESSION_SECONDS * 1_000,
    ...{ directory: access.operators, once: ledger, timers: systemTimers },
    turns: new FairTurns(AT_ONCE, MAX_WAITING),
    sealKey: createHmac('sha256', access.cursorKey).update('drover pending login').digest(),
    log: parts.log.child({ part: 'login' }),
  });
};

import { deterministicUuid, isoTime, sha256Hex, type InstanceId } from '#kernel';
import { mintJoinToken } from '#access';
import type { CommandContext } from '#processing';
import { instanceDecider } from '../domain/instance/decide.js';
import type { JoinOffer } from '../provisioning/driver.js';
import type { FleetServices } from './services.js';

export const JOIN_TOKEN_TTL_MS = 15 * 60_000;

/** `host:port` under which agents reach one of the platform's listeners. */
export const reachableAddress = (
  listen: string,
  config: Pick<FleetServices['config'], 'DROVER_PUBLIC_URL'>,
): string => {
  const at = listen.lastIndexOf(':');
  const [host, port] = [listen.slice(0, at), listen.slice(at + 1)];
  if (config.DROVER_PUBLIC_URL !== undefined) return `${new URL(config.DROVER_PUBLIC_URL).hostname}:${port}`;
  if (host === '0.0.0.0') return `127.0.0.1:${port}`;
  return host === '[::]' ? `[::1]:${port}` : listen;
};

/** Makes a join token, records its digest, and says what to do with it. Not repeatable: the secret is kept nowhere. */
export const offerJoin = async (
  services: FleetServices,
  instanceId: InstanceId,
  context: CommandContext,
  ttlMs = JOIN_TOKEN_TTL_MS,
) => {
  const { token, tokenId, digest: tokenDigest } = mintJoinToken(instanceId, services.random);
  const expiresAtMs = context.nowMs + ttlMs;
  const issued = await services.transactor.transact(
    instanceId,
    instanceDecider,
    { kind: 'issue_token', tokenId, tokenDigest, expiresAtMs },
    { ...context, commandId: deterministicUuid('issue', context.commandId, tokenDigest) },
  );
  if (issued.kind === 'refused') return issued;
  return {
    kind: 'offered' as const,
    tokenId,
    position: issued.position,
    join: describeJoin(services, token, expiresAtMs),
  };
};

/** The flags are the agent's own (agent/src/main.ts). */
const describeJoin = (services: FleetServices, token: string, expiresAtMs: number): JoinOffer => {
  const enrollAddress = reachableAddress(services.config.DROVER_ENROLL_ADDR, services.config);
  const caPin = `sha256:${sha256Hex(services.authority.caDer()[0]!)}`;
  const command = `DROVER_JOIN_TOKEN=${token} drover-agent run --enroll ${enrollAddress} --ca-pin ${caPin} --state-dir /var/lib/drover-agent`;
  return { token, expiresAt: isoTime(expiresAtMs), enrollAddress, caPem: services.authority.caPem(), caPin, command };
};

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isoTime, refusal, RefusedError, type Clock, type Ids, type Random } from '#kernel';
import type { FairTurns, Sender } from '../application/fair-turns.js';
import type { DeviceFinishRequest, DeviceStartRequest } from './requests.js';
import type { OidcProvider, VerifiedClaims } from './provider.js';
import { Sealer } from './sealer.js';

/** A login on a machine without a browser, between its calls: sealed, as the other kind, so that nothing is remembered for it. */
const pendingDevice = z.object({
  id: z.string(),
  nonce: z.string(),
  device_code: z.string(),
  code_challenge: z.string(),
  until_ms: z.number(),
});

const MAX_MS = 1_800_000;

export interface DeviceLoginParts<T> {
  readonly provider: OidcProvider;
  readonly sealKey: Uint8Array;
  readonly turns: FairTurns;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly random: Pick<Random, 'bytes'>;
  readonly ids: Ids;
  /** Lets in whom the provider vouches for, once for each login. */
  readonly letIn: (id: string, claims: () => Promise<VerifiedClaims>, sender: Sender) => Promise<T>;
}

export interface Pending {
  readonly status: 'pending';
  readonly interval: number;
  /** The provider wants five seconds more than so far, each time that it says so (RFC 8628, 3.5). */
  readonly slow_down?: true;
}

export type Polled<T> = Pending | ({ readonly status: 'done' } & T);

/** Device authorization (RFC 8628): somebody enters a code on whatever machine has a browser, and the one without asks until then. */
export class DeviceLogin<T> {
  private readonly sealer: Sealer<z.output<typeof pendingDevice>>;

  constructor(private readonly parts: DeviceLoginParts<T>) {
    this.sealer = new Sealer(pendingDevice, parts.sealKey, parts.random);
  }

  /** Throws RefusedError, or ProviderUnavailableError. */
  async start({ code_challenge }: DeviceStartRequest, sender: Sender) {
    const { provider, turns, clock, ids, random } = this.parts;
    const nonce = Buffer.from(random.bytes(24)).toString('base64url');
    const given = await turns.run(sender, () => provider.deviceAuthorization(nonce));
    const until_ms = clock.wallMs() + Math.min(given.expires_in * 1_000, MAX_MS);
    const { device_code, user_code, verification_uri, verification_uri_complete, interval } = given;
    return {
      ...{ user_code, verification_uri, interval },
      ...(verification_uri_complete === undefined ? {} : { verification_uri_complete }),
      login: this.sealer.seal({ id: ids.uuid(), nonce, device_code, code_challenge, until_ms }),
      issuer: provider.client.issuer,
      expires_at: isoTime(until_ms),
    };
  }

  /** One look whether somebody has entered the code. Throws RefusedError, or ProviderUnavailableError. */
  async finish({ login: sealed, code_verifier }: DeviceFinishRequest, sender: Sender): Promise<Polled<T>> {
    const { provider, turns, clock, letIn } = this.parts;
    const login = this.sealer.open(sealed);
    if (login === undefined) throw refused(400, 'login_unknown', 'this login was not begun here', 'login');
    if (clock.wallMs() >= login.until_ms)
      throw refused(410, 'login_expired', 'nobody entered the code in time', 'login');
    if (createHash('sha256').update(code_verifier).digest('base64url') !== login.code_challenge)
      throw refused(403, 'verifier_mismatch', 'this login was begun by another program', 'code_verifier');
    return turns.run(sender, async (): Promise<Polled<T>> => {
      const answer = await provider.pollDevice(login.device_code);
      if (answer.kind === 'pending') return { status: 'pending', ...answer.wait };
      const claims = () =>
        answer.kind === 'out'
          ? Promise.reject(answer.error)
          : provider.claimsOf(answer.tokens, login.nonce, 'where_told');
      return { status: 'done', ...(await letIn(login.id, claims, sender)) };
    });
  }
}

const refused = (status: 400 | 403 | 410, code: string, message: string, field: string) =>
  new RefusedError(refusal(status, code, message, { field, hint: 'begin again: drover login --device' }));

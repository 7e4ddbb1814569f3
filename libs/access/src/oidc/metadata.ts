import { z } from 'zod';
import { isSafeUrl, type Clock } from '#kernel';
import { callProvider, ProviderUnavailableError } from './http.js';

const url = z.string().refine(isSafeUrl, 'must be https://');
const metadata = z.object({
  issuer: z.string(),
  authorization_endpoint: url,
  token_endpoint: url,
  jwks_uri: url,
  userinfo_endpoint: url.optional(),
  device_authorization_endpoint: url.optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).default(['client_secret_basic']),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
});
export type ProviderMetadata = z.output<typeof metadata>;

const KEPT_MS = 600_000;

/** What the provider says of itself; asked for anew every ten minutes. */
export class ProviderDiscovery {
  private kept: { readonly metadata: ProviderMetadata; readonly untilMs: number } | undefined;
  /** Anybody can begin logins, and a provider that is slow is asked once for all of them. */
  private reading: Promise<ProviderMetadata> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  async find(): Promise<ProviderMetadata> {
    const now = this.clock.monotonicMs();
    if (this.kept !== undefined && now < this.kept.untilMs) return this.kept.metadata;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    const found = await this.reading;
    this.kept = { metadata: found, untilMs: now + KEPT_MS };
    return found;
  }

  private async read(): Promise<ProviderMetadata> {
    const { status, json } = await callProvider(`${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    if (status !== 200) throw new ProviderUnavailableError(`its configuration is answered with HTTP ${status}`);
    const parsed = metadata.safeParse(json);
    if (!parsed.success) {
      const { path, message } = parsed.error.issues[0]!;
      throw new ProviderUnavailableError(`its configuration says nothing usable: ${path.join('.')} ${message}`);
    }
    // A document that speaks of another issuer would vouch for that one's people.
    if (parsed.data.issuer !== this.issuer)
      throw new ProviderUnavailableError(
        'its configuration is that of another issuer; DROVER_OIDC_ISSUER must be exactly the issuer it names',
      );
    return parsed.data;
  }
}

import { X509Certificate } from 'node:crypto';
import { backoffMs, errorMessage, type Cancel } from '#kernel';
import type { AgentConnection, AgentPorts } from '../ports.js';
import { certificateRequest } from './csr.js';
import { certificatePem, type Identity, type IdentityStore } from './identity-store.js';

const CHECK_EVERY_MS = 60_000;

/** When a certificate should be renewed: at two thirds of its life. Milliseconds since the epoch. */
export const renewAtMs = (pem: string): number => {
  const certificate = new X509Certificate(pem);
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  return from + ((to - from) * 2) / 3;
};

/** Renews the certificate in time, with a fresh key, over the connection that is open. */
export class Renewal {
  private cancel: Cancel | undefined;
  private attempt = 0;

  constructor(
    private readonly ports: AgentPorts,
    private readonly store: IdentityStore,
    private readonly hooks: {
      identity(): Identity;
      connection(): AgentConnection | undefined;
      renewed(identity: Identity): void;
    },
  ) {}

  start(): void {
    this.schedule(this.delay());
  }

  stop(): void {
    this.cancel?.();
  }

  private delay(): number {
    const left = renewAtMs(this.hooks.identity().certificatePem) - this.ports.clock.wallMs();
    // Short sleeps, because the wall clock may be set while the agent sleeps.
    return Math.min(CHECK_EVERY_MS, Math.max(1_000, left));
  }

  private schedule(delayMs: number): void {
    this.cancel = this.ports.timers.after(delayMs, () => void this.check());
  }

  private async check(): Promise<void> {
    const due = renewAtMs(this.hooks.identity().certificatePem) <= this.ports.clock.wallMs();
    const connection = this.hooks.connection();
    if (!due || connection === undefined) return this.schedule(this.delay());
    try {
      await this.renew(connection);
      this.attempt = 0;
      this.schedule(this.delay());
    } catch (error) {
      const wait = backoffMs(this.attempt++, () => this.ports.random.unit(), 2_000, 300_000);
      this.ports.log.warn({ error: errorMessage(error), retry_in_ms: wait }, 'certificate renewal failed');
      this.schedule(wait);
    }
  }

  private async renew(connection: AgentConnection): Promise<void> {
    const { key, pem } = await this.store.pendingKey();
    const answer = await connection.renew({ csrDer: certificateRequest(key, this.ports.host.hostname) });
    const identity: Identity = {
      ...this.hooks.identity(),
      keyPem: pem,
      certificatePem: certificatePem(answer.certificateDer),
      ...(answer.caDer.length === 0 ? {} : { caPem: answer.caDer.map(certificatePem).join('') }),
    };
    await this.store.save(identity);
    this.ports.log.info({}, 'certificate renewed');
    this.hooks.renewed(identity);
  }
}

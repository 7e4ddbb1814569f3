import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Files } from '../ports.js';

const identitySchema = z.object({
  instanceId: z.string().min(1),
  agentAddress: z.string().min(1),
  keyPem: z.string().min(1),
  certificatePem: z.string().min(1),
  caPem: z.string().min(1),
});
const wipingSchema = z.object({ instanceId: z.string(), code: z.string() });
export type Identity = z.infer<typeof identitySchema>;

/** The node's identity on disk. Certificate and key are one file, so that they always belong to each other. */
export class IdentityStore {
  private lastStart = 0n;

  constructor(
    private readonly files: Files,
    readonly stateDir: string,
  ) {}

  async load(): Promise<Identity | undefined> {
    const bytes = await this.files.read(this.path('identity.json'));
    return bytes === undefined ? undefined : identitySchema.parse(JSON.parse(bytes.toString('utf8')));
  }

  async save(identity: Identity): Promise<void> {
    await this.files.write(this.path('identity.json'), JSON.stringify(identity), 0o600);
    await this.files.remove(this.path('pending-key.pem'));
  }

  /** The key of a request under way: written before it is sent, so that a repeat after a lost answer has the same key. */
  async pendingKey(): Promise<{ key: KeyObject; pem: string }> {
    const path = this.path('pending-key.pem');
    const bytes = await this.files.read(path);
    if (bytes !== undefined) return { key: createPrivateKey(bytes), pem: bytes.toString('utf8') };
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await this.files.write(path, pem, 0o600);
    return { key: privateKey, pem };
  }

  /**
   * Counts the agent's streams; a higher one supersedes an older stream of the same boot. Only where it cannot be written the
   * time since the boot makes it higher: a machine with a full disk is one to be talked to, not one that is lost. Else that
   * would make it higher for a copy of the folder, too, and neither of the two would ever be asked whether it is alone.
   */
  async nextStart(uptimeMs: number, unsaved: (error: unknown) => void): Promise<bigint> {
    const path = this.path('starts');
    const text = (await this.files.read(path))?.toString('utf8') ?? '0';
    const stored = /^\d+$/.test(text) ? BigInt(text) : 0n;
    const known = stored > this.lastStart ? stored : this.lastStart;
    this.lastStart = known + 1n;
    await this.files.write(path, String(this.lastStart), 0o600).catch((error: unknown) => {
      const time = BigInt(Math.max(0, Math.round(uptimeMs)));
      if (time > this.lastStart) this.lastStart = time;
      unsaved(error);
    });
    return this.lastStart;
  }

  /** Before the first thing is taken away, so that an agent that dies in the middle goes on with it. */
  async beginWipe(instanceId: string, code: string): Promise<void> {
    await this.files.write(this.path('wiping.json'), JSON.stringify({ instanceId, code }), 0o600);
  }

  /** Why this instance was told to wipe; undefined when it was not. What another one left here is nothing to it. */
  async wipeBegun(instanceId: string): Promise<string | undefined> {
    const bytes = await this.files.read(this.path('wiping.json'));
    const begun = bytes === undefined ? undefined : wipingSchema.parse(JSON.parse(bytes.toString('utf8')));
    return begun?.instanceId === instanceId ? begun.code : undefined;
  }

  async wipe(): Promise<void> {
    await this.files.removeTree(this.stateDir);
  }

  path(name: string): string {
    return join(this.stateDir, name);
  }
}

export const certificatePem = (der: Uint8Array): string => {
  const body = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
};

import { refusal, RefusedError } from '#kernel';
import type { CertificateAuthority, SecretStore } from '#access';
import type { ProvisioningDriver } from '#fleet';
import { readingHalf, type EventStore, type ReadableLog, type RecordedEvent } from '#event-store';
import type { VirtualTime } from './virtual-time.js';

/** What a fork had to assume or leave open, in words; each once. */
export class Notes {
  readonly all = new Set<string>();
  add(text: string): void {
    this.all.add(text);
  }
}

/** Reads of the real log, for which virtual time stands still. */
export const timedLog = (store: EventStore, time: VirtualTime): ReadableLog => {
  const log = readingHalf(store);
  return {
    capabilities: log.capabilities,
    readAll: (after, options) => time.during(log.readAll(after, options)),
    readStream: (stream, fromVersion) => timed(log.readStream(stream, fromVersion), time),
  };
};

async function* timed(events: AsyncIterable<RecordedEvent>, time: VirtualTime): AsyncIterable<RecordedEvent> {
  const source = events[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await time.during(source.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await source.return?.();
  }
}

/** Secrets made in a fork live and die with it; those of the real platform are not there at all. */
export const forkedSecrets = (digest: (plaintext: string) => string): SecretStore => {
  const secrets = new Map<string, string>();
  return {
    put: async (subject, name, plaintext) => {
      secrets.set(`${subject}/${name}`, plaintext);
      return { ref: `${subject}/${name}`, digest: digest(plaintext) };
    },
    get: async (ref) => secrets.get(ref),
    find: async (ref) => {
      const plaintext = secrets.get(ref);
      return plaintext === undefined ? { kind: 'unknown' } : { kind: 'found', plaintext };
    },
    shred: async (subject) => {
      for (const ref of secrets.keys()) if (ref.startsWith(`${subject}/`)) secrets.delete(ref);
      return { keyId: null, names: [], atMs: 0 };
    },
  };
};

const neverSigns = async (): Promise<never> => {
  throw new RefusedError(refusal(422, 'not_in_a_fork', 'a fork signs nothing'));
};

/** Shows the CA's public certificate and signs nothing. */
export const publicAuthority = (ca: Pick<CertificateAuthority, 'caPem' | 'caDer'>): CertificateAuthority => ({
  readCsr: neverSigns,
  issueAgentCertificate: neverSigns,
  issueServerCertificate: neverSigns,
  caPem: () => ca.caPem(),
  caDer: () => ca.caDer(),
});

/** The same names, so that the same are refused; a machine that is ordered from one of these is never made. */
export const imaginaryDrivers = (
  names: readonly { readonly name: string; readonly makesMachines: boolean }[],
  notes: Notes,
): ReadonlyMap<string, ProvisioningDriver> =>
  new Map(
    names.map(({ name, makesMachines }) => [
      name,
      {
        name,
        makesMachines,
        provision: async (instance) => {
          if (makesMachines)
            notes.add(`whether the driver ${name} makes the machine ${instance.name}, and when it joins`);
        },
        terminate: async () => {
          if (makesMachines) notes.add(`whether the driver ${name} ends the machine at once`);
        },
      } satisfies ProvisioningDriver,
    ]),
  );

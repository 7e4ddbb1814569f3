import { refusal, RefusedError, systemIds } from '#kernel';
import type { CertificateAuthority, SecretStore, ShreddedSubject } from '#access';
import type { ProvisioningDriver } from '#fleet';
import { readingHalf, type EventStore, type ReadableLog, type RecordedEvent } from '#event-store';
import type { ReadModelSnapshot } from '#processing';
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

/** The same of what readers of the real platform see. */
export const timedSnapshot = (snapshot: ReadModelSnapshot, time: VirtualTime): ReadModelSnapshot => ({
  table: (projection) => snapshot.table(projection),
  load: (projection, keys) => time.during(snapshot.load(projection, keys)),
  page: (projection, page) => time.during(snapshot.page(projection, page)),
  close: () => snapshot.close(),
});

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

/**
 * Secrets made in a fork live and die with it; those of the real platform are not there at all. That there are some for a
 * subject is known from the references in its events, so that shredding them is predicted, too.
 */
export const forkedSecrets = (
  log: Pick<EventStore, 'readStream'>,
  digest: (plaintext: string) => string,
): SecretStore => {
  const secrets = new Map<string, string>();
  const ended = new Map<string, ShreddedSubject>();
  const namesOf = async (subject: string): Promise<string[]> => {
    const refs = [...secrets.keys()];
    for await (const { data } of log.readStream(subject))
      refs.push(...Object.values(data).filter((value) => typeof value === 'string'));
    const own = refs.filter((ref) => ref.startsWith(`${subject}#`)).map((ref) => ref.slice(subject.length + 1));
    return [...new Set(own)].sort();
  };
  return {
    put: async (subject, name, plaintext) => {
      secrets.set(`${subject}#${name}`, plaintext);
      return { ref: `${subject}#${name}`, digest: digest(plaintext) };
    },
    get: async (ref) => secrets.get(ref),
    find: async (ref) => {
      const plaintext = secrets.get(ref);
      return plaintext === undefined ? { kind: 'unknown' } : { kind: 'found', plaintext };
    },
    shred: async (subject) => {
      const names = await namesOf(subject);
      const shredded = ended.get(subject) ?? { keyId: names.length === 0 ? null : systemIds.uuid(), names, atMs: 0 };
      ended.set(subject, shredded);
      for (const name of names) secrets.delete(`${subject}#${name}`);
      return shredded;
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
  issueRuntimeCertificate: neverSigns,
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

import type { Session } from './session.js';

/** What to do with a stream whose identity already has a live one. */
export type Admission =
  | { readonly kind: 'install' }
  /** The same agent, started again: it cannot be in two places. */
  | { readonly kind: 'supersede' }
  /** A network cut, a reboot or a cloned disk: the old stream has one beat to show that somebody is there. */
  | { readonly kind: 'challenge' }
  | { readonly kind: 'refuse'; readonly code: string; readonly message: string };

export const admit = (
  newcomer: Session,
  live: Session | undefined,
  challenger: Session | undefined,
  quarantinedSerial: string | undefined,
): Admission => {
  if (quarantinedSerial === newcomer.peer.certificateSerial) {
    const message = 'two machines used this identity at once; enrol one of them anew';
    return { kind: 'refuse', code: 'cloned_identity', message };
  }
  if (live === undefined) return { kind: 'install' };
  if (supersedes(newcomer, live)) return { kind: 'supersede' };
  if (challenger !== undefined && !sameStartOrLater(newcomer, challenger)) {
    return { kind: 'refuse', code: 'challenge_running', message: 'another stream of this identity is being examined' };
  }
  return { kind: 'challenge' };
};

const supersedes = (newcomer: Session, old: Session): boolean =>
  newcomer.hello!.bootId === old.hello!.bootId && newcomer.hello!.startCounter > old.hello!.startCounter;

const sameStartOrLater = (newcomer: Session, old: Session): boolean =>
  newcomer.hello!.bootId === old.hello!.bootId && newcomer.hello!.startCounter >= old.hello!.startCounter;

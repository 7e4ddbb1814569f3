import type { RefusedError } from '#kernel';
import type { OperatorAuthenticator, Principal } from '../ports.js';
import type { FairTurns, Sender } from './fair-turns.js';
import type { LoginLimits } from './login-limits.js';

export type Admitted =
  | { readonly kind: 'in'; readonly principal: Principal }
  | { readonly kind: 'out'; readonly wait: RefusedError | undefined };

/** Tokens at the door of every HTTP surface: a right one always gets in, and where many are wrong everybody takes turns. */
export class Admission {
  constructor(
    private readonly operators: OperatorAuthenticator,
    private readonly limits: LoginLimits,
    private readonly turns: FairTurns,
  ) {}

  /** Throws RefusedError (429) when too many from the same place wait for their turn. */
  async admit(sender: Sender, token: string): Promise<Admitted> {
    const look = () => this.operators.authenticate(token);
    const noisy = this.limits.isNoisy(sender.address);
    const principal = noisy ? await this.turns.run(sender, look) : await look();
    if (principal !== undefined) return { kind: 'in', principal };
    return { kind: 'out', wait: this.limits.failed(sender.address, token) };
  }
}

export const ADMISSION = Symbol('Admission');

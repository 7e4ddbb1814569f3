import { backoffMs, deterministicUuid, errorMessage, sleep } from '#kernel';
import { agentV1 } from '#proto';
import type { Docker } from '../docker/docker.js';
import type { Modules } from '../k3s/modules.js';
import type { Overlay } from '../network/overlay.js';
import type { AgentPorts } from '../ports.js';
import type { Identity, IdentityStore } from './identity-store.js';
import { lastWord, sayOnce } from './last-word.js';

interface Parts {
  readonly docker: Pick<Docker, 'remove'>;
  readonly modules: Pick<Modules, 'remove'>;
  readonly overlay: Pick<Overlay, 'wipe' | 'stop'>;
}

/** What failed twice in a row is told: the first time it may be a daemon that is about to end. */
const TOLD_FROM = 2;
const LENGTH = 300;

/** The instance is over: nothing of it may go on running or be found later. Tried until it is done, or the agent stops. */
export class Departure {
  private begun = false;
  private stopping = false;
  private told = '';

  constructor(
    private readonly ports: AgentPorts,
    private readonly store: IdentityStore,
    private readonly parts: () => Parts,
  ) {}

  stop(): void {
    this.stopping = true;
  }

  /** True once it is done, and only for who began it. */
  async run(code: string, identity: Identity): Promise<boolean> {
    const { ports } = this;
    if (this.begun) return false;
    this.begun = true;
    const removed = new Set<string>();
    for (let attempt = 1; !this.stopping; attempt++) {
      try {
        await this.once(code, identity, removed);
        ports.log.warn({}, 'wiped: services stopped, state removed');
        return true;
      } catch (error) {
        const wait = backoffMs(attempt - 1, () => ports.random.unit(), 1_000, 300_000);
        ports.log.error({ error: errorMessage(error), retry_in_ms: wait }, 'the wipe is not done yet, trying again');
        if (attempt >= TOLD_FROM) await this.tell(identity, errorMessage(error));
        await sleep(ports.timers, wait);
      }
    }
    return false;
  }

  private async once(code: string, identity: Identity, removed: Set<string>): Promise<void> {
    const { ports, store } = this;
    const { docker, modules, overlay } = this.parts();
    // On a full disk too: should the agent die, the platform says it again.
    await store.beginWipe(identity.instanceId, code).catch((error: unknown) => {
      ports.log.warn({ error: errorMessage(error) }, 'that a wipe has begun could not be written');
    });
    // Neither of them holds up the other, and both are tried again.
    const ofDocker = await docker.remove().catch((error: unknown) => `docker: ${errorMessage(error)}`);
    // A machine that was given up may hold the last copy of a datastore: only what was ended on purpose loses its data.
    const ofK3s = await modules.remove(code !== 'instance_terminated').catch((error: unknown) => errorMessage(error));
    if (typeof ofK3s === 'string')
      throw new Error([ofK3s, ...(typeof ofDocker === 'string' ? [ofDocker] : [])].join('; '));
    for (const what of ofK3s.removed) removed.add(what);
    await overlay.wipe();
    overlay.stop();
    if (typeof ofDocker === 'string') throw new Error(ofDocker);
    const left = [...ofDocker, ...ofK3s.left];
    await lastWord(ports, identity, { removed: [...removed], left });
    await store.wipe();
  }

  /** Once for each reason, whatever numbers are in it; a platform that is away hears of it with the next try. */
  private async tell(identity: Identity, reason: string): Promise<void> {
    const shape = reason.replaceAll(/\d+/g, '#');
    if (shape === this.told) return;
    const said = await sayOnce(this.ports, identity, {
      requestId: deterministicUuid('wipe_stuck', identity.instanceId, shape),
      phase: agentV1.Phase.PHASE_WIPE_STUCK,
      error: reason.slice(0, LENGTH),
    });
    if (said) this.told = shape;
  }
}

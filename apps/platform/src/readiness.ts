export interface ReadinessCheck {
  readonly name: string;
  readonly ok: boolean;
}

type Probe = () => Promise<boolean> | boolean;

/** What must work for the platform to serve. Parts add their probes at start-up. */
export class Readiness {
  private readonly probes = new Map<string, Probe>();
  /** Whether this process is the one that leads; false until it is known. */
  leads: () => Promise<boolean> = async () => false;

  add(name: string, probe: Probe): void {
    this.probes.set(name, probe);
  }

  async check(): Promise<ReadinessCheck[]> {
    return Promise.all(
      [...this.probes].map(async ([name, probe]) => {
        try {
          return { name, ok: await probe() };
        } catch {
          return { name, ok: false };
        }
      }),
    );
  }
}

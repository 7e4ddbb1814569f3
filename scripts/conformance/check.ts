import type { CoreV1Api, CoordinationV1Api, KubeConfig, PolicyV1Api } from '@kubernetes/client-node';

/** What checks are run against: an API, and for K3s the machine that it runs on. */
export interface Target {
  readonly name: string;
  readonly kind: 'k3s' | 'kube-apiserver';
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly policy: PolicyV1Api;
  readonly coordination: CoordinationV1Api;
  /** A namespace of this run's own. */
  readonly namespace: string;
  /** A request as a browser would send it; `user: 'nobody'` without credentials. */
  raw(
    method: string,
    path: string,
    options?: {
      readonly user?: 'admin' | 'nobody' | { authorization: string };
      readonly body?: unknown;
      readonly accept?: string;
    },
  ): Promise<{ readonly status: number; readonly body: string }>;
  readonly k3s?: K3sMachine;
}

export interface K3sMachine {
  readonly bin: string;
  readonly dataDir: string;
  readonly nodeName: string;
  token(): string;
  /** `k3s …`, with this machine's environment. */
  run(...argv: string[]): { readonly code: number | null; readonly output: string };
  start(...flags: string[]): Promise<void>;
  stop(): Promise<void>;
}

export interface Check {
  readonly name: string;
  /** Which targets have what it is about; elsewhere the table says `not there` and why. */
  readonly of: 'any' | 'k3s';
  run(target: Target): Promise<void>;
}

export type Verdict =
  | { readonly outcome: 'pass' }
  | { readonly outcome: 'FAIL'; readonly why: string }
  | { readonly outcome: 'not there'; readonly why: string };

/** What one target said to each check. */
export interface Column {
  readonly target: string;
  readonly verdicts: Readonly<Record<string, Verdict>>;
}

export const that = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** The HTTP status that a call was refused with; undefined when it was not refused. */
export const refusedWith = async (call: Promise<unknown>): Promise<{ code: number; body: string } | undefined> => {
  try {
    await call;
    return undefined;
  } catch (error) {
    const { code, body } = error as { code?: number; body?: unknown };
    if (typeof code !== 'number') throw error;
    return { code, body: typeof body === 'string' ? body : JSON.stringify(body) };
  }
};

export const eventually = async (what: string, holds: () => Promise<boolean>, withinMs = 60_000): Promise<void> => {
  const end = performance.now() + withinMs;
  for (;;) {
    if (await holds()) return;
    if (performance.now() > end) throw new Error(`not within ${withinMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

import { resolve } from 'node:path';
import { z } from 'zod';
import { nearest } from './refusal.js';

const address = (fallback: string) =>
  z
    .string()
    .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/, 'must be HOST:PORT, for example 127.0.0.1:8080')
    .default(fallback);

const settings = z.object({
  DROVER_DATA_DIR: z
    .string()
    .min(1)
    .default('./data')
    .transform((dir) => resolve(dir)),
  DROVER_HTTP_ADDR: address('127.0.0.1:8080'),
  DROVER_AGENT_ADDR: address('0.0.0.0:7443'),
  DROVER_ENROLL_ADDR: address('0.0.0.0:7444'),
  /** How agents reach this platform; defaults to the agent and enrolment addresses on the loopback. */
  DROVER_PUBLIC_URL: z.url().optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgres:// or postgresql://')
    .optional(),
  DROVER_EVENT_STORE: z.enum(['postgres', 'kurrentdb', 'memory']).default('postgres'),
  KURRENTDB_URL: z.string().optional(),
  DROVER_K3S_BIN: z.string().optional(),
  DROVER_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Unix socket of an external provisioning driver (the lab registers itself this way), as NAME=/path/to.sock. */
  DROVER_PROVISIONER: z
    .string()
    .regex(/^[a-z][a-z0-9_-]*=\/.+/, 'must be NAME=/path/to/socket')
    .optional(),
  /** Heartbeat interval and lease of ordinary agents and of VIP candidates, in milliseconds. */
  DROVER_BEAT_MS: z.coerce.number().int().min(100).default(1_000),
  DROVER_LEASE_MS: z.coerce.number().int().min(300).default(3_000),
  DROVER_VIP_BEAT_MS: z.coerce.number().int().min(50).default(200),
  DROVER_VIP_LEASE_MS: z.coerce.number().int().min(150).default(600),
});

export type Config = Readonly<z.output<typeof settings>>;

/** All that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Parses the environment once; every problem is named at once, and a misspelt DROVER_ name is refused. */
export const parseConfig = (env: Readonly<Record<string, string | undefined>>): Config => {
  const problems: string[] = [];
  const known = Object.keys(settings.shape);
  const foreign = ['DROVER_REQUIRE_REAL', 'DROVER_TOKEN', 'DROVER_URL', 'DROVER_CONTEXT'];
  for (const name of Object.keys(env)) {
    if (!name.startsWith('DROVER_') || known.includes(name) || foreign.includes(name)) continue;
    const near = nearest(name, known);
    problems.push(`${name}: unknown setting${near === undefined ? '' : `; did you mean ${near}?`}`);
  }
  const parsed = settings.safeParse(Object.fromEntries(known.map((name) => [name, env[name] || undefined])));
  if (!parsed.success) problems.push(...parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`));
  else if (parsed.data.DROVER_VIP_LEASE_MS < 2 * parsed.data.DROVER_VIP_BEAT_MS)
    problems.push('DROVER_VIP_LEASE_MS: must be at least twice DROVER_VIP_BEAT_MS');
  if (problems.length > 0) throw new ConfigError(`configuration refused:\n  ${problems.join('\n  ')}`);
  return Object.freeze(parsed.data!);
};

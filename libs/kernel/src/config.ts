import { resolve } from 'node:path';
import { z } from 'zod';
import { isCidr } from './cidr.js';
import { isSafeUrl, loginRulesSetting } from './login-rules.js';
import { nearest } from './refusal.js';

const address = (fallback: string) =>
  z
    .string()
    .regex(/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/, `must be HOST:PORT, for example ${fallback}`)
    .refine((text) => Number(/\d+$/.exec(text)?.[0] ?? 0) <= 65_535, 'the port must be 0 to 65535')
    .default(fallback);

/** Every setting with its default; the descriptions are also docs/reference/settings.md. */
export const settingsSchema = z.object({
  DROVER_DATA_DIR: z
    .string()
    .min(1)
    .default('./data')
    .transform((dir) => resolve(dir))
    .describe('Embedded Postgres, platform CA, master key and `admin.token`'),
  DROVER_HTTP_ADDR: address('127.0.0.1:8080').describe('MCP, REST, health and metrics'),
  DROVER_AGENT_ADDR: address('0.0.0.0:7443').describe('Agents (gRPC), mTLS only'),
  DROVER_ENROLL_ADDR: address('0.0.0.0:7444').describe('Enrolment (gRPC): server TLS and a join token'),
  DROVER_PUBLIC_URL: z
    .url()
    .optional()
    .describe(
      'How agents and devices reach this platform, e.g. https://drover.example:8080; else by the addresses above',
    ),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgres:// or postgresql://')
    .optional()
    .describe('A Postgres server of yours; without it an embedded one runs in the data directory'),
  DROVER_EVENT_STORE: z
    .enum(['postgres', 'kurrentdb', 'memory'])
    .default('postgres')
    .describe(
      'Where events are kept: `postgres`, or `kurrentdb` (KURRENTDB_URL), with all else in Postgres. `memory` forgets ' +
        'everything when the platform stops',
    ),
  KURRENTDB_URL: z
    .string()
    .optional()
    .describe(
      'KurrentDB or EventStoreDB for `DROVER_EVENT_STORE=kurrentdb`: `kurrentdb://USER:PASSWORD@HOST:2113`, several ' +
        'hosts with commas or `kurrentdb+discover://`, options such as `?tlsCaFile=…`; see docs/runbooks/kurrentdb.md',
    ),
  KURRENTDB_NAMESPACE: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,40}$/, 'must be lower-case letters, digits and underscores')
    .default('drover')
    .describe(
      'What stands before the names of streams in KurrentDB; another one for each platform that shares a server',
    ),
  DROVER_AUDIT_SINK: z
    .string()
    .min(1)
    .optional()
    .transform((file) => (file === undefined ? undefined : resolve(file)))
    .describe(
      'The file outside the database that seals over the log are appended to; `audit/seals.jsonl` in the data directory by ' +
        'default, better on another machine: see docs/runbooks/audit.md',
    ),
  DROVER_AUDIT_SEAL_SECONDS: z.coerce
    .number()
    .int()
    .min(1)
    .max(3_600)
    .default(60)
    .describe('No event waits longer than this for a seal; after 1,000 events one is made at once'),
  DROVER_K3S_BIN: z.string().optional().describe('The K3s binary that nodes install'),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'OpenTelemetry collector (OTLP over HTTP, protobuf): traces of tool calls to the agents’ receipts; ' +
        '`OTEL_EXPORTER_OTLP_HEADERS` and the other settings of the exporter apply. Without it nothing of OpenTelemetry is loaded',
    ),
  OTEL_SERVICE_NAME: z.string().min(1).default('drover').describe('The name of this platform in traces'),
  DROVER_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('The least severe lines that are logged'),
  DROVER_PROVISIONER: z
    .string()
    .regex(/^[a-z][a-z0-9_-]*=\/.+/, 'must be NAME=/path/to/socket')
    .optional()
    .describe('Unix socket of an external provisioning driver, NAME=/path/to.sock; the lab registers itself this way'),
  DROVER_BEAT_MS: z.coerce.number().int().min(100).default(1_000).describe('Milliseconds between beats of an agent'),
  DROVER_LEASE_MS: z.coerce
    .number()
    .int()
    .min(300)
    .default(3_000)
    .describe('Milliseconds of silence after which an instance is lost'),
  DROVER_VIP_BEAT_MS: z.coerce
    .number()
    .int()
    .min(50)
    .default(200)
    .describe('As DROVER_BEAT_MS, for candidates of a virtual IP'),
  DROVER_VIP_LEASE_MS: z.coerce
    .number()
    .int()
    .min(150)
    .default(600)
    .describe('As DROVER_LEASE_MS, for candidates of a virtual IP; at least twice their beat'),
  DROVER_KEY_ROTATION_DAYS: z.coerce
    .number()
    .min(0)
    .max(3_650)
    .default(30)
    .describe("Age in days at which a node's WireGuard key is changed by itself; 0: never"),
  DROVER_KEY_ROTATION_WAIT_MINUTES: z.coerce
    .number()
    .min(0.1)
    .max(10_080)
    .default(60)
    .describe(
      'Minutes that a change of key waits in each of its steps for nodes whose tunnels are up while their agents acknowledge nothing; then it goes on ' +
        'without them, and they reach the node again when their agents are back. A change because of age waits a day at least',
    ),
  DROVER_LOGIN_FAILURES: z.coerce
    .number()
    .int()
    .min(1)
    .default(30)
    .describe(
      'Wrong tokens a minute of one id from one address before the answer is 429 with Retry-After; ten times that of one address. A right ' +
        'token always gets in',
    ),
  DROVER_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) => text.split(/[\s,]+/).filter((part) => part !== ''))
    .refine((parts) => parts.every(isCidr), 'must be addresses and networks with commas: 10.0.0.0/8, fd00::/8')
    .describe(
      'Reverse proxies in front of this platform, as addresses and networks (`10.0.0.5, fd00::/64`): only what these say in ' +
        'X-Forwarded-For is taken for the address of a caller, read from the right',
    ),
  DROVER_OIDC_ISSUER: z
    .string()
    .refine(isSafeUrl, 'must be an https:// URL (http:// only for a provider on this machine)')
    .optional()
    .describe(
      'OpenID Connect provider that people log in with (`drover login`), exactly as it names itself; see docs/runbooks/login.md',
    ),
  DROVER_OIDC_CLIENT_ID: z.string().min(1).optional().describe('What the provider calls this platform'),
  DROVER_OIDC_CLIENT_SECRET_FILE: z
    .string()
    .min(1)
    .optional()
    .transform((file) => (file === undefined ? undefined : resolve(file)))
    .describe('A file with the client secret, where the provider wants one beside PKCE'),
  DROVER_OIDC_RULES: loginRulesSetting
    .optional()
    .describe(
      'Who may log in, as JSON: `[{"claim":"groups","is":"ops","role":"operator","account":"default"}]`. The first rule that fits ' +
        'counts; whom none fits is refused',
    ),
  DROVER_OIDC_SCOPES: z
    .string()
    .regex(/^openid( [\x21-\x7e]+)*$/, 'must be openid and further scopes, with one space between them')
    .default('openid profile email')
    .describe('What is asked of the provider'),
  DROVER_OIDC_NAME_CLAIM: z
    .string()
    .min(1)
    .default('preferred_username')
    .describe('The claim that new operators are named after'),
  DROVER_OIDC_SESSION_SECONDS: z.coerce
    .number()
    .int()
    .min(300)
    .max(86_400)
    .default(28_800)
    .describe('How long the token of a login lasts'),
  DROVER_CONSUMERS: z.coerce
    .number()
    .int()
    .min(1)
    .default(2_000)
    .describe('Streams of events (`/events`, Subscribe) that this process serves at once'),
  DROVER_CONSUMERS_PER_ACCOUNT: z.coerce
    .number()
    .int()
    .min(1)
    .default(200)
    .describe('Of these, at most so many of one account'),
  DROVER_WEBHOOK_ALLOW_PRIVATE: z
    .enum(['yes', 'no'])
    .default('no')
    .describe('Whether webhooks may go to loopback, link-local and private addresses'),
});

export type Config = Readonly<z.output<typeof settingsSchema>>;

/** All that is wrong with the environment, in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Settings of the CLI, the agent, the lab and the tests (failpoints.ts), which may stand in the same environment. */
const ELSEWHERE = [
  'DROVER_FAILPOINTS',
  'DROVER_FAILPOINTS_DIR',
  'DROVER_URL',
  'DROVER_TOKEN',
  'DROVER_TOKEN_FILE',
  'DROVER_JOIN_TOKEN',
  'DROVER_LAB_AGENT',
  'DROVER_LAB_KEEP',
  'DROVER_REQUIRE_REAL',
  'DROVER_TEST_SEED',
];

const didYouMean = (given: string, choices: readonly string[]): string => {
  const near = nearest(given, choices);
  return near === undefined ? '' : `; did you mean ${near}?`;
};

/** In the operator's words; the value is shown only where it is one of a few choices, never where it may hold a password. */
const problemOf = (issue: z.core.$ZodIssue, value: string | undefined): string => {
  if (issue.code === 'invalid_value')
    return `must be one of ${issue.values.join(', ')}${didYouMean(value ?? '', issue.values.map(String))}`;
  if (issue.code === 'invalid_type') return issue.expected === 'int' ? 'must be a whole number' : 'must be a number';
  if (issue.code === 'too_small') return `must be at least ${issue.minimum}`;
  return issue.code === 'invalid_format' && issue.format === 'url'
    ? 'must be a URL, for example http://10.0.0.1:8080'
    : issue.message;
};

/** Login is configured whole or not at all. */
const incomplete = (config: z.output<typeof settingsSchema>): string[] => {
  const needed = ['DROVER_OIDC_ISSUER', 'DROVER_OIDC_CLIENT_ID', 'DROVER_OIDC_RULES'] as const;
  const missing = needed.filter((name) => config[name] === undefined);
  if (missing.length === 0) return [];
  if (missing.length === needed.length && config.DROVER_OIDC_CLIENT_SECRET_FILE === undefined) return [];
  return missing.map((name) => `${name}: is needed for logins by OpenID Connect`);
};

/** Parses the environment once; every problem is named at once, and a misspelt DROVER_ name is refused. */
export const parseConfig = (env: Readonly<Record<string, string | undefined>>): Config => {
  const known = Object.keys(settingsSchema.shape);
  const names = [...known, ...ELSEWHERE];
  const problems = Object.keys(env)
    .filter((name) => name.startsWith('DROVER_') && !names.includes(name))
    .map((name) => `${name}: unknown setting${didYouMean(name, names)}`);
  const parsed = settingsSchema.safeParse(Object.fromEntries(known.map((name) => [name, env[name] || undefined])));
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((i) => `${i.path.join('.')}: ${problemOf(i, env[String(i.path[0])])}`));
  } else if (parsed.data.DROVER_VIP_LEASE_MS < 2 * parsed.data.DROVER_VIP_BEAT_MS)
    problems.push('DROVER_VIP_LEASE_MS: must be at least twice DROVER_VIP_BEAT_MS');
  if (parsed.success) problems.push(...incomplete(parsed.data));
  if (problems.length > 0) throw new ConfigError(`configuration refused:\n  ${problems.join('\n  ')}`);
  return Object.freeze(parsed.data!);
};

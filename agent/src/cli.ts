import { nearest } from '#kernel';
import { LOG_LEVELS, type LogLevel } from './log.js';

export interface RunOptions {
  readonly enrollAddress: string | undefined;
  readonly caPin: string | undefined;
  readonly stateDir: string;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly k3sBin: string | undefined;
  readonly services: 'auto' | 'systemd' | 'process';
  readonly wireguard: 'auto' | 'uapi' | 'kernel' | 'route' | 'memory';
  readonly root: string;
  readonly onExit: 'keep' | 'stop';
  readonly logLevel: LogLevel;
}

export type CliResult =
  | { readonly kind: 'run'; readonly options: RunOptions }
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'refused'; readonly message: string };

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  services: ['auto', 'systemd', 'process'],
  wireguard: ['auto', 'uapi', 'kernel', 'route', 'memory'],
  'on-exit': ['keep', 'stop'],
  'log-level': LOG_LEVELS,
};
const FREE = ['enroll', 'ca-pin', 'state-dir', 'token', 'token-file', 'k3s-bin', 'root'];
const NAMES = [...FREE, ...Object.keys(CHOICES), 'help', 'version'];

export const HELP = `drover-agent: makes this machine what the platform says it should be

Usage:
  drover-agent run  [options]    enrol if needed, then run
  drover-agent join [options]    the same

Options:
  --enroll HOST:PORT             where to enrol; not needed once enrolled
  --ca-pin sha256:HEX            sha256 of the platform CA certificate (DER)
  --state-dir DIR                keys, certificate and cached desired state (default /var/lib/drover-agent)
  --token T                      join token; better --token-file F or the environment variable DROVER_JOIN_TOKEN
  --token-file F
  --k3s-bin PATH                 k3s binary to use when the module names none
  --services KIND                auto, systemd or process (default auto)
  --wireguard KIND               auto, uapi, kernel, route or memory (default auto; route = plain routes, no encryption)
  --root DIR                     prefix of the k3s paths (default /)
  --on-exit KIND                 keep or stop the data plane and k3s on SIGTERM (default keep)
  --log-level LEVEL              debug, info, warn, error or silent (default info)
  --help, --version
`;

/** Parses the command line; anything unknown is refused with the nearest known name. */
export const parseCli = (argv: readonly string[], version: string): CliResult => {
  const values = new Map<string, string>();
  const [command, ...rest] = argv;
  if (command === undefined || command === '--help' || command === 'help') return { kind: 'print', text: HELP };
  if (command === '--version' || command === 'version') return { kind: 'print', text: `drover-agent ${version}\n` };
  if (command !== 'run' && command !== 'join') return refuse('command', command, ['run', 'join']);
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!;
    const [name, inline] = splitOption(word);
    if (name === undefined || !NAMES.includes(name))
      return refuse(
        'option',
        word.split('=')[0]!,
        NAMES.map((n) => `--${n}`),
      );
    if (name === 'help') return { kind: 'print', text: HELP };
    if (name === 'version') return { kind: 'print', text: `drover-agent ${version}\n` };
    const value = inline ?? rest[++i];
    if (value === undefined || value === '') return { kind: 'refused', message: `--${name}: a value is missing` };
    const choices = CHOICES[name];
    if (choices !== undefined && !choices.includes(value)) return refuse(`--${name}`, value, choices);
    values.set(name, value);
  }
  return check(values);
};

const check = (values: ReadonlyMap<string, string>): CliResult => {
  const enroll = values.get('enroll');
  if (enroll !== undefined && !/^(\[[0-9a-fA-F:.]+\]|[^:\s[\]]+):\d{1,5}$/.test(enroll))
    return { kind: 'refused', message: `--enroll: ${enroll} is not HOST:PORT (IPv6 as [ADDRESS]:PORT)` };
  const pin = values.get('ca-pin');
  if (pin !== undefined && !/^sha256:[0-9a-fA-F]{64}$/.test(pin))
    return { kind: 'refused', message: '--ca-pin: must be sha256: and 64 hexadecimal digits' };
  return {
    kind: 'run',
    options: {
      enrollAddress: enroll,
      caPin: pin?.slice('sha256:'.length).toLowerCase(),
      stateDir: values.get('state-dir') ?? '/var/lib/drover-agent',
      token: values.get('token'),
      tokenFile: values.get('token-file'),
      k3sBin: values.get('k3s-bin'),
      services: (values.get('services') ?? 'auto') as RunOptions['services'],
      wireguard: (values.get('wireguard') ?? 'auto') as RunOptions['wireguard'],
      root: values.get('root') ?? '/',
      onExit: (values.get('on-exit') ?? 'keep') as RunOptions['onExit'],
      logLevel: (values.get('log-level') ?? 'info') as LogLevel,
    },
  };
};

const splitOption = (word: string): [string | undefined, string | undefined] => {
  if (!word.startsWith('--')) return [undefined, undefined];
  const at = word.indexOf('=');
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)];
};

const refuse = (what: string, given: string, choices: readonly string[]): CliResult => {
  const near = nearest(given, choices);
  const hint = near === undefined ? `one of ${choices.join(', ')}` : `did you mean ${near}?`;
  return { kind: 'refused', message: `${what} ${given} is not known; ${hint}` };
};

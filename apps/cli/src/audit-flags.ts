import { CliError } from './errors.js';

export const AUDIT_USAGE = `drover audit verify                                     the whole log against its seals (platform scope)
drover audit verify --file EXPORT [--seals FILE] [--key ID]   an export, without the platform
drover audit prove EVENT                                a proof of one event, as JSON
drover audit check-proof FILE [--key ID]                such a proof, without the platform
drover audit export [--out FILE [--resume]] [--all]     the log as CloudEvents, one a line, with its seals
drover audit keys | seal | rotate-key                   public keys; a seal now; a new key (platform scope)

--key ID names a key that you were given elsewhere; it may be repeated. --seals FILE is a copy of the platform's file of seals:
with it, an export or a log that was cut shows. Exit code 0: intact or proven; 1: not.`;

/** Where a command writes: what it found, and how far it is. */
export interface Output {
  out(text: string): void;
  progress(text: string): void;
}

export interface AuditFlags {
  /** The event, or the file with the proof. */
  readonly subject?: string;
  readonly file?: string;
  readonly seals?: string;
  readonly out?: string;
  readonly keys: readonly string[];
  readonly resume: boolean;
  readonly all: boolean;
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  verify: ['file', 'seals', 'key'],
  prove: [],
  export: ['out'],
  'check-proof': ['key'],
};
const SWITCHES: Readonly<Record<string, readonly string[]>> = { export: ['resume', 'all'] };
const SUBJECTS: Readonly<Record<string, string>> = { prove: 'an event id', 'check-proof': 'a file with a proof' };

const usage = (message: string, why: string): CliError => new CliError(message, why, 'drover audit verify --help', 2);

/** The words after `drover audit VERB`. */
export const auditFlags = (verb: string, words: readonly string[]): AuditFlags => {
  const values: Record<string, string[]> = {};
  const switches = new Set<string>();
  const subjects: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--([a-z-]+)(?:=(.*))?$/.exec(words[i]!) ?? [];
    if (name === undefined) subjects.push(words[i]!.replace(/^(event_id|event|id)=/, ''));
    else if (SWITCHES[verb]?.includes(name)) switches.add(name);
    else if (VALUES[verb]!.includes(name)) {
      const value = inline ?? words[++i];
      if (value === undefined || value === '') throw usage(`--${name} needs a value`, 'the command line ends there');
      (values[name] ??= []).push(value);
    } else throw usage(`drover audit ${verb} has no --${name}`, 'its options are shown by --help');
  }
  mustFit(verb, subjects, values, switches);
  const one = (name: string) => (values[name] === undefined ? {} : { [name]: values[name].at(-1)! });
  return {
    ...one('file'),
    ...one('seals'),
    ...one('out'),
    ...(subjects[0] === undefined ? {} : { subject: subjects[0] }),
    keys: values.key ?? [],
    resume: switches.has('resume'),
    all: switches.has('all'),
  };
};

const mustFit = (
  verb: string,
  subjects: readonly string[],
  values: Readonly<Record<string, readonly string[]>>,
  switches: ReadonlySet<string>,
): void => {
  const wanted = SUBJECTS[verb];
  if (wanted !== undefined && subjects.length !== 1)
    throw usage(`drover audit ${verb} needs ${wanted}`, `it got ${subjects.length}`);
  if (wanted === undefined && subjects.length > 0)
    throw usage(`${subjects[0]} is no option`, `drover audit ${verb} takes options only`);
  const bad = (values.key ?? []).find((key) => !/^[0-9a-f]{64}$/.test(key));
  if (bad !== undefined) throw usage(`--key ${bad}`, 'a key id is 64 hexadecimal digits: drover audit keys shows them');
  if (verb === 'verify' && values.file === undefined && (values.seals ?? values.key) !== undefined) {
    throw usage('--seals and --key need --file EXPORT', 'on the platform its own seals and keys are checked');
  }
  if (switches.has('resume') && values.out === undefined)
    throw usage('--resume needs --out FILE', 'there is nothing to go on with');
};

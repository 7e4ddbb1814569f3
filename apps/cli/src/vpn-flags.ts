import type { Output } from './audit-flags.js';
import { CliError } from './errors.js';
import type { GlobalFlags } from './settings.js';

export const VPN_USAGE = `drover vpn join [-]                      bring this machine into a network: asks for the bootstrap URL, or its token alone when
                                         --url says which platform ("-", or a pipe: reads it from stdin)
drover vpn join --grant-file FILE        the same, read from a file
drover vpn join --network NET --name ME  issue the URL and use it at once (needs an operator's token)
drover vpn refresh FILE                  ask for the configuration of today: virtual IPs that moved, nodes that came or went
drover vpn issue | list | revoke         bootstrap URLs for others; devices; take one out (tools: --help after each)

  --out FILE     where the configuration goes (default ./drover.conf); 0600, an existing file stays unless --force
  --name NAME    what the device is called (default: as it was issued)
  --qr           print it as a QR code as well, for the WireGuard app of a phone
  --force        join: replace the file
  --apply        refresh: bring it into force with \`wg syncconf\` (root, interface up); --interface NAME unless it is the file's
  --follow       refresh: stay, and go on with every change (with --apply, or to run hooks on the file)

The key pair is made here; only the public key goes to the platform. DROVER_GRANT may hold the URL or the token, too. A bootstrap URL
works once; it is taken as an argument (drover vpn join URL) with a warning, because other users of this machine see those. A token alone is not.
Then: wg-quick up ./drover.conf. Exit code 0: done; 1: refused (also: the device was revoked); 2: used wrongly; 3: no platform.`;

export interface VpnCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  /** After `vpn`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly colours: boolean;
}

export interface VpnFlags {
  readonly subject?: string;
  readonly 'grant-file'?: string;
  readonly network?: string;
  readonly name?: string;
  readonly out?: string;
  readonly interface?: string;
  readonly qr: boolean;
  readonly force: boolean;
  readonly apply: boolean;
  readonly follow: boolean;
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  join: ['grant-file', 'network', 'name', 'out'],
  refresh: ['interface'],
};
const SWITCHES: Readonly<Record<string, readonly string[]>> = {
  join: ['qr', 'force'],
  refresh: ['apply', 'follow', 'qr'],
};

export const usage = (message: string, why: string): CliError => new CliError(message, why, 'drover vpn --help', 2);

/** The list of processes is everybody's. Nothing of it is quoted. */
export const notOnCommandLine = (): CliError =>
  new CliError(
    'the token of a grant is not taken as an argument',
    'everybody who lists the processes of this machine would see it',
    'drover vpn join - (reads it from stdin), --grant-file FILE, or DROVER_GRANT',
    2,
  );

/** The words after `drover vpn VERB`. */
export const vpnFlags = (verb: 'join' | 'refresh', words: readonly string[]): VpnFlags => {
  const values: Record<string, string> = {};
  const switches = new Set<string>();
  const subjects: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(words[i]!) ?? [];
    if (name === undefined) subjects.push(words[i]!);
    else if (name === 'grant' && verb === 'join') throw notOnCommandLine();
    else if (SWITCHES[verb]!.includes(name)) switches.add(name);
    else if (VALUES[verb]!.includes(name)) {
      const value = inline ?? words[++i];
      if (value === undefined || value === '') throw usage(`--${name} needs a value`, 'the command line ends there');
      values[name] = value;
    } else throw usage(`drover vpn ${verb} has no --${name}`, 'its options are shown by --help');
  }
  if (subjects.length > 1) throw usage('too many arguments', `drover vpn ${verb} takes one`);
  const ways = [subjects[0], values['grant-file'], values.network].filter((way) => way !== undefined);
  if (verb === 'join' && ways.length > 1) throw usage('how to join?', 'give -, --grant-file or --network, one of them');
  if (values.network !== undefined && values.name === undefined)
    throw usage('--network needs --name', 'a device that is issued has to be called something');
  if (verb === 'refresh' && subjects[0] === undefined)
    throw usage('which file?', 'drover vpn refresh needs the file that drover vpn join wrote');
  return {
    ...values,
    ...(subjects[0] === undefined ? {} : { subject: subjects[0] }),
    qr: switches.has('qr'),
    force: switches.has('force'),
    apply: switches.has('apply'),
    follow: switches.has('follow'),
  };
};

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { CliError } from './errors.js';
import {
  differences,
  parseFile,
  renderConfig,
  renderFile,
  renderForWg,
  type DeviceConfig,
  type VpnFile,
} from './vpn-config.js';
import { interfaceOf, SecretFile } from './vpn-file.js';
import { usage, type VpnCommand, type VpnFlags } from './vpn-flags.js';
import { fetchConfig } from './vpn-http.js';
import { qrCode } from './vpn-qr.js';

/** Shorter than what proxies and Node's own fetch put up with. */
const WAIT_S = 50;
const RETRY_MS = 1_000;

const read = (path: string): { readonly text: string; readonly file: VpnFile } => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`${path} cannot be read`, (error as Error).message, 'drover vpn join writes one', 2);
  }
  const file = parseFile(text);
  if (file === undefined)
    throw new CliError(
      `${path} was not made by drover vpn join`,
      'its drover-device line or its key is missing',
      undefined,
      2,
    );
  return { text, file };
};

const must = (what: string, argv: readonly string[], input = ''): void => {
  const done = spawnSync(argv[0]!, argv.slice(1), { input, encoding: 'utf8' });
  if (done.status === 0) return;
  const why = (done.error?.message ?? done.stderr).trim();
  throw new CliError(`${what} failed`, why, 'it needs root, wireguard-tools, and the interface up');
};

/** What the prefixes of the interface's own addresses do not lead there anyway, for example ranges of pods. */
export const outside = (config: DeviceConfig): string[] => {
  const inside = new BlockList();
  const family = (prefix: string) => (prefix.includes(':') ? 'ipv6' : 'ipv4');
  for (const { prefix, kind } of config.routes) {
    const [net, length] = prefix.split('/');
    if (kind === 'device') inside.addSubnet(net!, Number(length), family(prefix));
  }
  const all = config.peers.flatMap((peer) => peer.allowed_ips);
  return all.filter((prefix) => !inside.check(prefix.split('/')[0]!, family(prefix)));
};

/** wg wants a file's name; Node's stdin for a child is a socket, which cannot be opened by one, and cat's is a pipe. */
const syncFromStdin = (device: string): string[] => ['sh', '-c', 'cat | wg syncconf "$0" /dev/stdin', device];

/** The key goes over a pipe. Sessions of peers that stay are kept; what lies outside the network's prefixes gets a route. */
const apply = (device: string, privateKey: string, config: DeviceConfig): void => {
  must('wg syncconf', syncFromStdin(device), renderForWg(privateKey, config));
  for (const prefix of outside(config))
    must('ip route', ['ip', prefix.includes(':') ? '-6' : '-4', 'route', 'replace', prefix, 'dev', device]);
};

const deviceOf = (flags: VpnFlags): string => {
  const name = flags.interface ?? interfaceOf(flags.subject!);
  if (name !== undefined && /^[\w=+.-]{1,15}$/.test(name)) return name;
  throw usage('which interface?', 'the name of the file is none: give --interface NAME');
};

const once = async (command: VpnCommand, flags: VpnFlags, waitS: number): Promise<void> => {
  const path = flags.subject!;
  const { text, file } = read(path);
  const config = await fetchConfig(file.source, waitS);
  const isSame = config.hash === file.source.hash;
  const after = renderFile(file, config);
  if (!isSame) new SecretFile(path, true).write(after);
  // Also when the file says so already: what is in force may be older.
  if (flags.apply && (waitS === 0 || !isSame)) apply(deviceOf(flags), file.privateKey, config);
  if (waitS > 0 && isSame) return;
  const { added, gone } = differences(text, after);
  if (command.flags.json)
    command.output.out(
      JSON.stringify({
        success: true,
        data: { changed: !isSame, applied: flags.apply, hash: config.hash, added, gone },
      }),
    );
  else {
    const inForce = flags.apply ? '; in force' : '';
    command.output.out(
      isSame ? `${path} is up to date${inForce}` : `${path}: ${added} lines new, ${gone} gone${inForce}`,
    );
    if (!isSame && !flags.apply) command.output.out(`Bring it into force: sudo drover vpn refresh ${path} --apply`);
  }
  if (flags.qr) command.output.out(qrCode(renderConfig(file.privateKey, config), command.colours));
};

/** Until the device is revoked (exit code 1) or somebody ends it; a platform that is away is asked again. */
const follow = async (command: VpnCommand, flags: VpnFlags): Promise<never> => {
  for (let waitS = 0; ;) {
    try {
      await once(command, flags, waitS);
      waitS = WAIT_S;
    } catch (error) {
      if (!(error instanceof CliError) || error.exitCode !== 3) throw error;
      command.output.progress(`${error.message}: ${error.why}; trying again`);
      await wait(RETRY_MS);
    }
  }
};

export const refresh = async (command: VpnCommand, flags: VpnFlags): Promise<number> => {
  if (flags.apply) deviceOf(flags);
  if (command.flags.json && flags.qr) throw usage('--json or --qr?', 'a QR code is for people');
  if (flags.follow) return follow(command, flags);
  await once(command, flags, 0);
  return 0;
};

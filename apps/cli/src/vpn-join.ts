import { generateKeyPairSync } from 'node:crypto';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import { readSecret, secretIn } from './secret-input.js';
import { resolveSettings } from './settings.js';
import { renderConfig, renderFile } from './vpn-config.js';
import { interfaceOf, SecretFile } from './vpn-file.js';
import { notOnCommandLine, usage, type VpnCommand, type VpnFlags } from './vpn-flags.js';
import { redeem } from './vpn-http.js';
import { qrCode } from './vpn-qr.js';

const PATH = '/api/v1/sdwan/bootstrap/';
const TOKEN = /^dg_[\w-]{40,200}$/;

const makeKeys = (): { readonly privateKey: string; readonly publicKey: string } => {
  const pair = generateKeyPairSync('x25519');
  const raw = (der: Buffer): string => der.subarray(-32).toString('base64');
  return {
    privateKey: raw(pair.privateKey.export({ type: 'pkcs8', format: 'der' })),
    publicKey: raw(pair.publicKey.export({ type: 'spki', format: 'der' })),
  };
};

/** Joining needs no operator's token, only to know where the platform is. */
const platformUrl = ({ flags, env }: VpnCommand): string => resolveSettings({ ...flags, token: 'unused' }, env).url;

const bootstrapUrl = (told: string, command: VpnCommand): URL => {
  if (TOKEN.test(told)) return new URL(`${PATH}${told}`, platformUrl(command));
  const url = URL.canParse(told) ? new URL(told) : undefined;
  const [, token = ''] = /^\/api\/v1\/sdwan\/bootstrap\/([^/]+)$/.exec(url?.pathname ?? '') ?? [];
  if (url !== undefined && /^https?:$/.test(url.protocol) && TOKEN.test(token)) return url;
  // Not quoted: what looks wrong may still be most of a token.
  const why = `neither a bootstrap URL (http…${PATH}dg_…) nor a grant's token (dg_…); it has ${told.length} characters`;
  throw new CliError('that is no bootstrap URL', why, 'drover vpn issue NETWORK --name NAME makes one', 2);
};

/** Issues a device for the caller; the platform is the one that the caller talks to, whatever it calls itself. */
const issue = async (command: VpnCommand, flags: VpnFlags): Promise<URL> => {
  const settings = resolveSettings(command.flags, command.env);
  const args = { network_id: flags.network, name: flags.name };
  const { token } = await callTool(settings, 'system_sdwan_issue_user_device', args);
  return new URL(`${PATH}${String(token)}`, settings.url);
};

/** What lets this device in, from where others do not see it. */
const grantOf = async (command: VpnCommand, flags: VpnFlags): Promise<string> => {
  const { env, stdin, output } = command;
  const file = flags['grant-file'] ?? (flags.subject === '-' ? '-' : undefined);
  if (file !== undefined) return secretIn(file, stdin);
  if (flags.subject !== undefined) {
    if (TOKEN.test(flags.subject)) throw notOnCommandLine();
    output.progress(
      'warning: other users of this machine can see the arguments of programs; `drover vpn join -` reads the URL from stdin',
    );
    return flags.subject;
  }
  if (env.DROVER_GRANT) return env.DROVER_GRANT;
  if (stdin.isTTY !== true)
    throw usage('which grant?', 'no "-", no --grant-file, no --network, and DROVER_GRANT is not set either');
  return readSecret(stdin, 'Bootstrap URL or token (it is not shown):', output.progress);
};

const whereTo = async (command: VpnCommand, flags: VpnFlags): Promise<URL> =>
  flags.network === undefined ? bootstrapUrl(await grantOf(command, flags), command) : issue(command, flags);

const howToUse = (file: string): string => {
  const name = interfaceOf(file);
  if (name === undefined)
    return `For wg-quick give the file a name of at most 15 letters, digits, - or _ that ends in .conf.`;
  return `Up:      sudo wg-quick up ${file}\nChanges: sudo drover vpn refresh ${file} --apply   (--follow: stay with it)\nDown:    sudo wg-quick down ${file}`;
};

export const join = async (command: VpnCommand, flags: VpnFlags): Promise<number> => {
  if (command.flags.json && flags.qr) throw usage('--json or --qr?', 'a QR code is for people');
  const file = new SecretFile(flags.out ?? './drover.conf', flags.force);
  const interrupted = () => {
    file.discard();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  try {
    return await joinInto(file, command, flags);
  } catch (error) {
    file.discard();
    throw error;
  } finally {
    process.off('SIGINT', interrupted);
  }
};

const joinInto = async (file: SecretFile, command: VpnCommand, flags: VpnFlags): Promise<number> => {
  const { out } = command.output;
  const { privateKey, publicKey } = makeKeys();
  const url = await whereTo(command, flags);
  const device = await redeem(url, publicKey, flags.name);
  const { config } = device;
  const source = { url: url.origin, path: device.config_path, token: device.device_token, hash: config.hash };
  file.write(renderFile({ privateKey, source }, config));
  const { peer_id, network_id } = device;
  const { addresses } = config.interface;
  if (command.flags.json) {
    const data = { peer_id, network_id, file: file.path, addresses, public_key: publicKey, peers: config.peers.length };
    out(JSON.stringify({ success: true, data }));
    return 0;
  }
  out(
    `${peer_id} is in ${network_id} with ${addresses.join(' and ')}; ${config.peers.length} peers\nwritten: ${file.path}`,
  );
  if (config.peers.some((peer) => peer.endpoints.length === 0))
    command.output.progress('note: some nodes have no known endpoint yet; they have to call first, or refresh later');
  out(howToUse(file.path));
  if (flags.qr)
    out(
      `\n${qrCode(renderConfig(privateKey, config), command.colours)}\nOne device only: use either the file or the code.`,
    );
  return 0;
};

import { VPN_USAGE, vpnFlags, type VpnCommand } from './vpn-flags.js';
import { join } from './vpn-join.js';
import { refresh } from './vpn-refresh.js';

/** `drover vpn join | refresh`: what needs a key and a file of its own. undefined for the others, which are plain tools. */
export const runVpn = async (command: VpnCommand): Promise<number | undefined> => {
  const [verb, ...rest] = command.words;
  if (verb !== undefined && verb !== 'join' && verb !== 'refresh') return undefined;
  if (command.help || verb === undefined) {
    command.output.out(VPN_USAGE);
    return verb === undefined && !command.help ? 2 : 0;
  }
  const flags = vpnFlags(verb, rest);
  return verb === 'join' ? join(command, flags) : refresh(command, flags);
};

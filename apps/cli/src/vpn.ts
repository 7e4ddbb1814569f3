import type { Output } from './audit-flags.js';
import type { GlobalFlags } from './settings.js';
import { VPN_USAGE, vpnFlags } from './vpn-flags.js';
import { join } from './vpn-join.js';
import { refresh } from './vpn-refresh.js';

export interface VpnCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  /** After `vpn`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly output: Output;
  readonly stdin: NodeJS.ReadableStream;
  readonly colours: boolean;
}

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

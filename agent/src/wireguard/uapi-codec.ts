import { canonicalEndpoint, canonicalPrefix } from '../network/cidr.js';
import type { WgChange, WgPeer, WgState } from './driver.js';
import { keyToBase64, keyToHex, publicKeyOf } from './keys.js';

/** The text of one `set=1` operation of WireGuard's cross-platform socket protocol. */
export const encodeSet = (change: WgChange): string => {
  const lines = ['set=1'];
  if (change.privateKey !== undefined) lines.push(`private_key=${keyToHex(change.privateKey)}`);
  if (change.listenPort !== undefined) lines.push(`listen_port=${change.listenPort}`);
  for (const peer of change.peers) {
    lines.push(`public_key=${keyToHex(peer.publicKey)}`);
    if (peer.remove) {
      lines.push('remove=true');
      continue;
    }
    if (peer.endpoint !== undefined) lines.push(`endpoint=${peer.endpoint}`);
    if (peer.keepalive !== undefined) lines.push(`persistent_keepalive_interval=${peer.keepalive}`);
    if (peer.replace) lines.push('replace_allowed_ips=true');
    for (const prefix of (peer.replace ? peer.allowedIps : peer.add) ?? []) lines.push(`allowed_ip=${prefix}`);
  }
  return `${lines.join('\n')}\n\n`;
};

/** Throws when the answer carries an error number. */
export const checkErrno = (answer: string): void => {
  const errno = /^errno=(-?\d+)$/m.exec(answer)?.[1];
  if (errno !== '0') throw new Error(`WireGuard refused the operation: errno ${errno ?? 'missing'}`);
};

type Mutable = { -readonly [K in keyof WgPeer]: WgPeer[K] } & { allowedIps: string[] };

/** Parses the answer to `get=1`. The private key in it is turned into its public half at once. */
export const decodeGet = (answer: string): WgState => {
  checkErrno(answer);
  let publicKey = '';
  let listenPort = 0;
  const peers: Mutable[] = [];
  for (const line of answer.split('\n')) {
    const at = line.indexOf('=');
    const key = line.slice(0, at);
    const value = line.slice(at + 1);
    const peer = peers.at(-1);
    if (key === 'private_key') publicKey = /^0+$/.test(value) ? '' : publicKeyOf(keyToBase64(value));
    else if (key === 'listen_port') listenPort = Number(value);
    else if (key === 'public_key')
      peers.push({
        publicKey: keyToBase64(value),
        endpoint: undefined,
        allowedIps: [],
        keepalive: 0,
        lastHandshakeMs: 0,
      });
    else if (peer !== undefined) peerLine(peer, key, value);
  }
  return { publicKey, listenPort, peers };
};

const peerLine = (peer: Mutable, key: string, value: string): void => {
  if (key === 'endpoint') peer.endpoint = canonicalEndpoint(value);
  else if (key === 'allowed_ip') peer.allowedIps.push(canonicalPrefix(value));
  else if (key === 'persistent_keepalive_interval') peer.keepalive = Number(value);
  else if (key === 'rx_bytes') peer.rxBytes = Number(value);
  else if (key === 'tx_bytes') peer.txBytes = Number(value);
  else if (key === 'last_handshake_time_sec') peer.lastHandshakeMs += Number(value) * 1000;
  else if (key === 'last_handshake_time_nsec') peer.lastHandshakeMs += Math.floor(Number(value) / 1e6);
};

import type { Lab } from '../../../apps/lab/src/lab.js';
import { bytesSecret, keySecrets, textSecret, type Secret } from './hunt.js';

/** What a machine keeps for itself, file by file, in base64. */
const LIST = `find /var/lib/drover-agent /var/lib/rancher /etc/rancher /etc/systemd/system /run/wireguard -type f -size -64k 2>/dev/null |
  while read -r f; do printf '%s %s\\n' "$f" "$(base64 -w0 "$f")"; done`;

const PRIVATE_PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/g;
const K3S_TOKEN = /K10[0-9a-f]{64}::([^\s"']+)/g;

const inFile = (path: string, text: string): Secret[] => {
  const unescaped = text.replaceAll('\\n', '\n');
  const keys = (unescaped.match(PRIVATE_PEM) ?? []).flatMap((pem) =>
    keySecrets(path.includes('k3s') ? 'K3s key' : 'node TLS key', pem),
  );
  const tokens = [...text.matchAll(K3S_TOKEN)].map(([, token]) =>
    textSecret('K3s token', token!.split(/[:.]/).at(-1)!),
  );
  const wireguard =
    /^[A-Za-z0-9+/]{43}=\s*$/.test(text) && !path.endsWith('.pub')
      ? [bytesSecret('WireGuard key', Buffer.from(text.trim(), 'base64'))]
      : [];
  return [...keys, ...tokens, ...wireguard];
};

/** The secrets that a machine of the lab has on its own disk. */
export const secretsOfMachine = async (lab: Lab, host: string): Promise<Secret[]> => {
  const { stdout } = await lab.exec(host, ['sh', '-c', LIST]);
  return stdout.split('\n').flatMap((line) => {
    const [path = '', encoded = ''] = line.split(' ');
    return path === '' ? [] : inFile(path, Buffer.from(encoded, 'base64').toString('latin1'));
  });
};

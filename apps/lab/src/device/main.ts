import { generateKeyPairSync } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { run, sleep, start, until } from '../processes.js';
import { PlainRouteApplier, WireGuardApplier, type Applier } from './apply.js';
import { deviceConfig, redeemed, type DeviceConfig } from './config.js';

/**
 * An operator's device: `main wireguard|plain NAME`, with the bootstrap URL on the first line of stdin (it holds the grant's
 * token, which has no business in a list of processes). Makes its key here, redeems the grant, then follows the feed of
 * changes. Prints `ready ADDRESS…` once the overlay is up.
 */
const [mode, name = 'workstation'] = process.argv.slice(2);
let bootstrapUrl = '';
const KEY_FILE = '/run/wireguard/device.key';

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: object;
}

const open = ({ method, path, headers, body }: Call): Promise<IncomingMessage> => {
  const url = new URL(path, bootstrapUrl);
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const all = { 'content-type': 'application/json', ...headers };
    const call = request(url, { method, headers: all }, resolve);
    call.setTimeout(40_000, () => call.destroy(new Error('the platform is silent')));
    call.on('error', reject);
    call.end(text);
  });
};

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
};

const makeKeys = (): string => {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const raw = (der: Buffer): string => der.subarray(-32).toString('base64');
  writeFileSync(KEY_FILE, `${raw(privateKey.export({ type: 'pkcs8', format: 'der' }))}\n`, { mode: 0o600 });
  return raw(publicKey.export({ type: 'spki', format: 'der' }));
};

const makeInterface = async (config: DeviceConfig): Promise<Applier> => {
  if (mode === 'plain') return new PlainRouteApplier('eth0');
  const { name: device } = config.interface;
  const inKernel = await run(['ip', 'link', 'add', 'dev', device, 'type', 'wireguard']);
  if (inKernel.code !== 0) {
    start(['wireguard-go', '-f', device], 'ignore', { LOG_LEVEL: 'error', WG_PROCESS_FOREGROUND: '1' });
    await until('wireguard-go is up', () => existsSync(`/run/wireguard/${device}.sock`));
  }
  return new WireGuardApplier(KEY_FILE);
};

/** Server-sent events with the whole configuration each; another stream after each break. */
const follow = async (
  path: string,
  token: string,
  onConfig: (config: DeviceConfig) => Promise<void>,
): Promise<never> => {
  for (;;) {
    try {
      const stream = await open({
        method: 'GET',
        path,
        headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` },
      });
      if (stream.statusCode === 410) process.exit(3);
      let rest = '';
      for await (const chunk of stream) {
        const events = (rest + String(chunk)).split('\n\n');
        rest = events.pop() ?? '';
        for (const event of events) {
          if (event.startsWith('event: revoked')) process.exit(3);
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data !== undefined) await onConfig(deviceConfig.parse(JSON.parse(data)));
        }
      }
    } catch (cause) {
      process.stderr.write(`feed: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    }
    await sleep(500);
  }
};

const main = async (): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    bootstrapUrl = line;
    break;
  }
  const response = await open({ method: 'POST', path: bootstrapUrl, body: { public_key: makeKeys(), name } });
  const text = await textOf(response);
  if (response.statusCode !== 200) throw new Error(`the grant was refused: ${response.statusCode ?? ''} ${text}`);
  const { data } = redeemed.parse(JSON.parse(text));
  const applier = await makeInterface(data.config);
  await applier.apply(data.config);
  process.stdout.write(`ready ${data.config.interface.addresses.join(' ')}\n`);
  await follow(data.config_path, data.device_token, (config) => applier.apply(config));
};

main().catch((cause: unknown) => {
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exit(1);
});

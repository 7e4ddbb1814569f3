import { request } from 'node:http';
import type { ProvisioningDriver } from './driver.js';

/** Below the process manager's first retry interval, so that two tries never overlap. */
const TIMEOUT_MS = 4_000;

/** One JSON POST over a unix socket. Rejects unless the answer is 2xx. */
const post = (socketPath: string, path: string, body: object): Promise<void> =>
  new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const call = request({ socketPath, path, method: 'POST', headers, timeout: TIMEOUT_MS }, (response) => {
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (status >= 200 && status < 300) return resolve();
        const said = Buffer.concat(chunks).toString('utf8').slice(0, 300);
        reject(new Error(`provisioner answered ${status} to ${path}: ${said}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error(`provisioner did not answer ${path} within ${TIMEOUT_MS} ms`)));
    call.on('error', reject);
    call.end(text);
  });

/** A driver in another process (the lab registers itself this way), reached through its unix socket. */
export const externalDriver = (name: string, socketPath: string): ProvisioningDriver => ({
  name,
  makesMachines: true,
  provision: (instance, join) =>
    post(socketPath, '/provision', {
      instance_id: instance.id,
      name: instance.name,
      join: {
        token: join.token,
        expires_at: join.expiresAt,
        enroll_address: join.enrollAddress,
        ca_pem: join.caPem,
        ca_pin: join.caPin,
        command: join.command,
      },
    }),
  terminate: (instance) => post(socketPath, '/terminate', { instance_id: instance.id }),
});

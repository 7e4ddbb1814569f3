import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { HttpProbe } from '../ports.js';

const PROBE_TIMEOUT_MS = 3_000;

const open = (url: string, tls: Parameters<HttpProbe['get']>[1], timeoutMs: number): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const make = url.startsWith('https:') ? httpsRequest : httpRequest;
    // No keep-alive agent: each probe must say whether a new connection works.
    const request = make(url, { ...tls, agent: false, timeout: timeoutMs }, resolve);
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.once('error', reject);
    request.end();
  });

export const systemHttp: HttpProbe = {
  async get(url, tls) {
    const response = await open(url, tls, PROBE_TIMEOUT_MS);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') };
  },
  getLocal(socketPath, path) {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ socketPath, path, agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      request.once('timeout', () => request.destroy(new Error(`no answer within ${PROBE_TIMEOUT_MS} ms`)));
      request.once('error', reject);
      request.end();
    });
  },
  async download(url, path) {
    let response = await open(url, undefined, 60_000);
    for (let hop = 0; hop < 5 && [301, 302, 303, 307, 308].includes(response.statusCode ?? 0); hop++) {
      const next = new URL(response.headers.location ?? '', url);
      if (next.protocol !== 'https:') throw new Error('a redirect left https');
      response.resume();
      response = await open(next.href, undefined, 60_000);
    }
    if (response.statusCode !== 200) throw new Error(`download answered ${response.statusCode}`);
    const hash = createHash('sha256');
    response.on('data', (chunk: Buffer) => hash.update(chunk));
    await pipeline(response, createWriteStream(path, { mode: 0o600 }));
    return hash.digest('hex');
  },
};

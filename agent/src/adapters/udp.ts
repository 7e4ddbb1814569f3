import { createSocket } from 'node:dgram';
import type { Datagrams } from '../ports.js';
import { errorCode } from './error-code.js';

const AGAIN_MS = 100;

export const systemDatagrams: Datagrams = {
  reaches: (address, port, forMs) =>
    new Promise((resolve) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      const ask = setInterval(() => socket.send(Buffer.of(0), () => undefined), AGAIN_MS);
      const deadline = setTimeout(() => end(false), forMs);
      const end = (answer: boolean): void => {
        clearInterval(ask);
        clearTimeout(deadline);
        socket.removeAllListeners('error').on('error', () => undefined);
        socket.close();
        resolve(answer);
      };
      socket.once('message', () => end(true));
      // No route is no answer, and may yet come; only the machine itself refuses.
      socket.on('error', (error) => (errorCode(error) === 'ECONNREFUSED' ? end(true) : undefined));
      socket.connect(port, address, () => socket.send(Buffer.of(0), () => undefined));
    }),
  bind: (address, port, onMessage) =>
    new Promise((resolve, reject) => {
      const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', reuseAddr: false });
      socket.once('error', reject);
      socket.on('message', (bytes, from) => onMessage(bytes, from.address, from.port));
      socket.bind(port, address, () => {
        socket.removeListener('error', reject);
        // A lost datagram is an ordinary event here: the lease is built on beats that may not arrive.
        socket.on('error', () => undefined);
        resolve({
          send: (to, toPort, bytes) => socket.send(bytes, toPort, to, () => undefined),
          close: () => socket.close(),
        });
      });
    }),
};

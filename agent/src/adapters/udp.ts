import { createSocket } from 'node:dgram';
import type { Datagrams } from '../ports.js';

export const systemDatagrams: Datagrams = {
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

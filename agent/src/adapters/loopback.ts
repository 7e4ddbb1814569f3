import { connect } from 'node:net';
import type { Loopback } from '../ports.js';

export const systemLoopback: Loopback = {
  connect(port, handlers, onOpen) {
    const socket = connect({ host: '127.0.0.1', port });
    let failure: string | undefined;
    socket.setNoDelay(true);
    socket.once('connect', onOpen);
    socket.on('data', (data: Buffer) => handlers.onData(data));
    socket.on('drain', () => handlers.onDrain());
    socket.on('error', (error) => (failure = error.message));
    socket.once('close', () => handlers.onClose(failure));
    return {
      write: (data) => socket.write(data),
      end: () => socket.end(),
      destroy: () => socket.destroy(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  },
};

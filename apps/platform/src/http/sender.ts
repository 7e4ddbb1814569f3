import type { IncomingMessage } from 'node:http';
import { clientAddress, type Sender, type TrustedProxies } from '#access';

export const TRUSTED_PROXIES = Symbol('TrustedProxies');

/** Whom a call is from: behind one of our proxies whom that names, else the peer. */
export const senderOf = (request: Pick<IncomingMessage, 'socket' | 'headers'>, proxies: TrustedProxies): Sender => {
  const { remoteAddress = '', remotePort = 0 } = request.socket;
  const address = clientAddress(remoteAddress, request.headers['x-forwarded-for'], proxies);
  return { address, connection: `${remoteAddress} ${remotePort}` };
};

import type { NextFunction, Request, Response } from 'express';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const hostOf = (url: string): string | undefined => {
  try {
    return new URL(url).hostname;
  } catch {
    return undefined;
  }
};

/**
 * Against DNS rebinding and pages of other sites: on the loopback only loopback names and the public URL's host (a proxy in
 * front may pass it on) are served, elsewhere an Origin must be the host that was asked for. Requests of programs carry no
 * Origin.
 */
export const originCheck = (loopbackOnly: boolean, publicUrl?: string) => {
  const publicHost = publicUrl === undefined ? undefined : hostOf(publicUrl);
  return (request: Request, response: Response, next: NextFunction): void => {
    const host = hostOf(`http://${request.headers.host ?? ''}`);
    const origin = request.headers.origin === undefined ? host : hostOf(request.headers.origin);
    const isHostFine = host !== undefined && (!loopbackOnly || LOOPBACK.has(host) || host === publicHost);
    const isOriginFine = origin !== undefined && (origin === host || (loopbackOnly && LOOPBACK.has(origin)));
    if (isHostFine && isOriginFine) return next();
    const field = isHostFine ? 'Origin' : 'Host';
    response.status(403).json({
      success: false,
      error: {
        code: 'foreign_origin',
        message: `the ${field} header does not name this platform`,
        field,
        hint: 'call it by the address it listens on, or by the host of DROVER_PUBLIC_URL',
      },
    });
  };
};

export const isLoopback = (host: string): boolean => /^(127\.|::1$|\[::1\]$|localhost$)/.test(host);

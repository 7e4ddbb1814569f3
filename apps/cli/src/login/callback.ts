import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliError } from '../errors.js';
import { troubleOf } from '../files.js';

/** What the provider sent the browser back with. */
export interface Came {
  readonly code: string;
  readonly state: string;
  readonly iss?: string;
}

const page = (title: string, text: string): string =>
  `<!doctype html><meta charset="utf-8"><title>${title}</title>` +
  `<body style="font-family:sans-serif;margin:4em auto;max-width:30em"><h1>${title}</h1><p>${text}</p>`;

/** Undefined for what is no answer of the provider; a CliError when the provider said no. */
export const cameBack = (url: URL, expectedState: string): Came | CliError | undefined => {
  const value = (name: string) => url.searchParams.get(name) ?? undefined;
  const [code, state, iss, error] = [value('code'), value('state'), value('iss'), value('error')];
  if (url.pathname !== '/callback' || state !== expectedState) return undefined;
  if (error !== undefined) {
    const plain = (text: string) => text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200);
    return new CliError('the provider let nobody in', plain(value('error_description') ?? error), 'log in again', 4);
  }
  return code === undefined ? undefined : { code, state, ...(iss === undefined ? {} : { iss }) };
};

/** A listener on this machine's loopback, for one answer. */
export class Callback {
  private constructor(
    private readonly server: Server,
    private readonly settle: (
      handle: (url: URL) => { readonly title: string; readonly text: string } | undefined,
    ) => void,
  ) {}

  static async listen(port: number): Promise<Callback> {
    let handle: Parameters<Callback['settle']>[0] = () => undefined;
    const server = createServer((request, response) => {
      // Any page of a browser may ask here, for what is no address too.
      const url = request.method === 'GET' ? URL.parse(request.url ?? '/', 'http://127.0.0.1') : null;
      const shown = url === null ? undefined : handle(url);
      const headers = {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
        'referrer-policy': 'no-referrer',
        connection: 'close',
      };
      response.writeHead(shown === undefined ? 404 : 200, headers);
      response.end(shown === undefined ? page('Not found', 'Nothing is here.') : page(shown.title, shown.text));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(
          new CliError(`cannot listen on 127.0.0.1:${port}`, troubleOf(error), 'choose another --callback-port', 1),
        ),
      );
      server.listen(port, '127.0.0.1', resolve);
    });
    return new Callback(server, (next) => (handle = next));
  }

  get redirectUri(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/callback`;
  }

  /** Resolves with the answer to this login; what others send here is not found. */
  answer(state: string): Promise<Came> {
    return new Promise((resolve, reject) => {
      this.settle((url) => {
        const came = cameBack(url, state);
        if (came === undefined) return undefined;
        if (came instanceof CliError) {
          reject(came);
          return { title: 'Not logged in', text: 'Drover was not let in. You can close this page.' };
        }
        resolve(came);
        return { title: 'Almost there', text: 'You can close this page: the terminal says how it ended.' };
      });
    });
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

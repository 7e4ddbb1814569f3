import { createServer, type IncomingMessage, type Server } from 'node:http';
import { z } from 'zod';

export const provisionRequest = z.object({
  instance_id: z.string(),
  name: z.string(),
  join: z.object({ token: z.string(), enroll_address: z.string(), ca_pem: z.string(), ca_pin: z.string() }),
});
export type ProvisionRequest = z.infer<typeof provisionRequest>;
const terminateRequest = z.object({ instance_id: z.string() });

export interface Machines {
  /** Starts the agent on the machine of that name; the same instance again is no second agent. */
  provision(request: ProvisionRequest): Promise<void>;
  terminate(instanceId: string): Promise<void>;
}

export class NoSuchMachine extends Error {
  override readonly name = 'NoSuchMachine';
}

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
};

/** The lab as an external provisioning driver (DROVER_PROVISIONER=lab=/path/to.sock). */
export const serveProvisioner = (socketPath: string, machines: Machines): Promise<Server> => {
  const act = async (request: IncomingMessage): Promise<void> => {
    const body = await bodyOf(request);
    if (request.url === '/provision') return machines.provision(provisionRequest.parse(body));
    if (request.url === '/terminate') return machines.terminate(terminateRequest.parse(body).instance_id);
    throw new NoSuchMachine(`${request.url ?? ''}: not a provisioner call; /provision or /terminate`);
  };
  const server = createServer((request, response) => {
    act(request).then(
      () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
      (cause: unknown) => {
        const code = cause instanceof NoSuchMachine ? 404 : cause instanceof z.ZodError ? 400 : 500;
        response.writeHead(code).end(cause instanceof Error ? cause.message : String(cause));
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => resolve(server));
    server.unref();
  });
};

import type { agentV1 } from '#proto';
import type { AgentConnection, AgentPorts, Loopback } from '../ports.js';

export const ALLOWED_PORT = 6443;
/** No port of the node: the agent answers there itself (node-channel.ts). */
export const CHANNEL_PORT = 1;

type Connect = Loopback['connect'];

/** Joins a stream that the platform asked for with the node's own API server. Nothing else on the node can be reached. */
export const openTunnel = (
  ports: AgentPorts,
  connection: AgentConnection,
  message: agentV1.OpenTunnel,
  send: (message: agentV1.SyncRequest) => void,
  channel?: Connect,
): void => {
  const { tunnelId } = message;
  const fail = (error: string) => {
    ports.log.warn({ tunnel: tunnelId, error }, 'tunnel failed');
    send({ message: { $case: 'tunnelFailed', value: { tunnelId, error } } });
  };
  const connect: Connect | undefined =
    message.port === CHANNEL_PORT
      ? channel
      : message.port === ALLOWED_PORT
        ? (port, handlers, onOpen) => ports.loopback.connect(port, handlers, onOpen)
        : undefined;
  if (connect === undefined) return fail(`port ${message.port} is not allowed; only ${ALLOWED_PORT} is`);
  let remote: ReturnType<AgentConnection['tunnel']> | undefined;
  const local = connect(
    message.port,
    {
      onData: (data) => {
        if (remote?.write(data) === false) local.pause();
      },
      onDrain: () => remote?.resume(),
      onClose: (error) => {
        if (remote === undefined) return fail(error ?? 'closed at once');
        remote.end();
      },
    },
    () => {
      remote = connection.tunnel(tunnelId, {
        onData: (data) => {
          if (!local.write(data)) remote?.pause();
        },
        onDrain: () => local.resume(),
        onEnd: (error) => (error === undefined ? local.end() : local.destroy()),
      });
    },
  );
};

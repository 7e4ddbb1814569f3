import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { runCertificate } from './certificates.js';
import { UsageError } from './cli/flags.js';
import { parseAgent, parseServer } from './cli/options.js';
import { runSnapshot } from './cli/snapshot-command.js';
import { runToken } from './cli/token-command.js';
import { fatal, messageOf } from './log.js';
import { runAgent } from './node/agent.js';
import { runServer } from './node/server.js';
import { GIT_COMMIT, K3S_VERSION, tuning } from './version.js';

const usage = `NAME:
   k3s - Kubernetes, but small and simple

USAGE:
   k3s [global options] command [command options]

VERSION:
   ${K3S_VERSION} (${GIT_COMMIT.slice(0, 8)})

COMMANDS:
   server   Run management server
   agent    Run node agent
   kubectl  Run kubectl
   token    Manage tokens
   certificate  Manage K3s certificates
   etcd-snapshot  Manage etcd snapshots
`;

/** As the real one: kubectl of the machine, with this node's kubeconfig unless another is named. */
const kubectl = (argv: readonly string[]): never => {
  const own = `${tuning.etcDir}/k3s/k3s.yaml`;
  const env =
    process.env['KUBECONFIG'] === undefined && existsSync(own) ? { ...process.env, KUBECONFIG: own } : process.env;
  const result = spawnSync('kubectl', argv, { stdio: 'inherit', env });
  if (result.error !== undefined) fatal(`kubectl: ${result.error.message}`);
  process.exit(result.status ?? 1);
};

const main = async (): Promise<void> => {
  const [command, ...rest] = process.argv.slice(2);
  if (
    rest.includes('--help') ||
    rest.includes('-h') ||
    command === undefined ||
    ['help', '--help', '-h'].includes(command)
  ) {
    process.stdout.write(usage);
    return;
  }
  switch (command) {
    case '--version':
    case '-v':
      process.stdout.write(`k3s version ${K3S_VERSION} (${GIT_COMMIT.slice(0, 8)})\ngo version go1.22.6\n`);
      return;
    case 'server':
      return runServer(parseServer(rest, process.env));
    case 'agent':
      return runAgent(parseAgent(rest, process.env));
    case 'token':
      return runToken(rest, process.env);
    case 'etcd-snapshot':
      return runSnapshot(rest, process.env);
    case 'certificate':
      return runCertificate(rest, process.env);
    case 'kubectl':
      return kubectl(rest);
    default:
      throw new UsageError(`No help topic for '${command}'`);
  }
};

process.title = `k3s ${process.argv[2] ?? ''} (${hostname()})`;
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
main().catch((cause: unknown) => {
  if (cause instanceof UsageError) process.stderr.write(`Incorrect Usage: ${cause.message}\n\n`);
  fatal(messageOf(cause));
});

import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { detectNetwork } from './level.js';
import { firstLine, PATH } from './processes.js';
import { chooseLab, logFile, removeLeftovers, runningLabs, type RunState } from './run-state.js';

const HELP = `drover lab: the machines of a running lab

  drover lab exec MACHINE -- COMMAND…   run a command on a machine, e.g. workstation -- kubectl get nodes
  drover lab env [LAB]                  the lab and its platform for your shell: eval "$(drover lab env)"
  drover lab join MACHINE URL           bring a machine into a network with an access grant's bootstrap_url
  drover lab list [--json]              running labs and their machines
  drover lab network [--json]           what this machine lets a lab use
  drover lab clean                      remove what dead labs left behind

A lab runs while \`npm run demo\` does. Of several, the one of this folder is meant; DROVER_LAB=LAB says which (\`drover lab list\`).
`;

const refuse = (message: string, hint: string): number => {
  process.stderr.write(`error:   ${message}\n  try:   ${hint}\n`);
  return 2;
};

/** Enters the machine's namespaces by the pid that the lab saved; works from any terminal of the same user. */
const wrap = (lab: RunState, machine: string, argv: readonly string[]): string[] => {
  const user = lab.level === 'root' ? [] : ['-U', '--preserve-credentials'];
  return ['nsenter', '-t', String(lab.hosts[machine]!.pid), ...user, '-n', '-m', '-u', '-p', '--', ...argv];
};

const enter = (lab: RunState, machine: string, argv: readonly string[]): Promise<number> => {
  const [command, ...args] = wrap(lab, machine, argv);
  const child = spawn(command!, args, { stdio: 'inherit', env: { ...process.env, PATH, ...lab.env[machine] } });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve) => {
    child.once('error', (cause) => resolve(refuse(cause.message, 'install util-linux')));
    child.once('exit', (code) => resolve(code ?? 1));
  });
};

const FOLDER = resolve(import.meta.dirname, '../../../..');

/** The lab that is meant, or the refusal's exit code. */
const meant = (id = process.env['DROVER_LAB']): RunState | number => {
  const labs = runningLabs();
  const lab = chooseLab(labs, { id, folder: FOLDER });
  if (lab !== undefined) return lab;
  if (labs.length === 0) return refuse('no lab of yours is running', 'npm run demo');
  return refuse(
    `no lab ${id} of yours is running`,
    `unset DROVER_LAB, or one of ${labs.map((one) => one.id).join(', ')}`,
  );
};

/** The lab with that machine in it, or the refusal's exit code. */
const labWith = (machine: string): RunState | number => {
  const lab = meant();
  if (typeof lab === 'number') return lab;
  if (lab.hosts[machine] === undefined)
    return refuse(`no machine is called ${machine}`, `one of ${Object.keys(lab.hosts).join(', ')}`);
  return lab;
};

const exec = (args: readonly string[]): Promise<number> | number => {
  const at = args.indexOf('--');
  const [machine] = args;
  const argv = args.slice(at + 1);
  if (machine === undefined || at !== 1 || argv.length === 0)
    return refuse('a machine and a command are needed', 'drover lab exec workstation -- kubectl get nodes');
  const lab = labWith(machine);
  return typeof lab === 'number' ? lab : enter(lab, machine, argv);
};

/** The token itself stays in its file. A terminal that named a lab before may mean another one now. */
const environment = ([id]: readonly string[]): number => {
  const lab = meant(id ?? '');
  if (typeof lab === 'number') return lab;
  const { platform } = lab;
  if (platform === undefined) return refuse(`no platform runs for lab ${lab.id}`, 'npm run demo');
  process.stdout.write(
    `export DROVER_LAB=${lab.id} DROVER_URL=${platform.url} DROVER_TOKEN="$(cat ${platform.tokenFile})"\n`,
  );
  return 0;
};

/** The device client stays on the machine, and ends with it. */
const join = async ([machine, url]: readonly string[]): Promise<number> => {
  if (machine === undefined || url === undefined)
    return refuse('a machine and a bootstrap_url are needed', 'drover lab join workstation BOOTSTRAP_URL');
  const lab = labWith(machine);
  if (typeof lab === 'number') return lab;
  const script = fileURLToPath(new URL('./device/main.js', import.meta.url));
  const mode = lab.level === 'user-veth' ? 'plain' : 'wireguard';
  const [command, ...args] = wrap(lab, machine, [process.execPath, script, mode, machine]);
  const log = openSync(logFile(lab.id, `${machine}-device`), 'a', 0o600);
  const child = spawn(command!, args, {
    stdio: ['pipe', 'pipe', log],
    env: { ...process.env, PATH },
    detached: true,
  });
  child.stdin?.end(`${url}\n`);
  try {
    const [, ...addresses] = (await firstLine(child, 'the device client')).split(' ');
    process.stdout.write(`${machine} is in the network as ${addresses.join(' ')}\n`);
    child.unref();
    return 0;
  } catch (cause) {
    return refuse(
      `${machine} did not join: ${cause instanceof Error ? cause.message : String(cause)}`,
      logFile(lab.id, `${machine}-device`),
    );
  }
};

const list = (json: boolean): number => {
  const labs = runningLabs();
  if (json)
    process.stdout.write(
      `${JSON.stringify(labs.map(({ id, level, hosts }) => ({ id, network: level, machines: Object.keys(hosts) })))}\n`,
    );
  else for (const lab of labs) process.stdout.write(`${lab.id}  ${lab.level}  ${Object.keys(lab.hosts).join(' ')}\n`);
  return 0;
};

const network = (json: boolean): number => {
  const found = detectNetwork();
  if (json)
    process.stdout.write(
      `${JSON.stringify({ network: found.level, real: found.real, missing: found.missing, encrypted: found.encrypted })}\n`,
    );
  else
    process.stdout.write(`${found.level}: ${found.real}\n${found.missing === '' ? '' : `missing: ${found.missing}\n`}`);
  return 0;
};

const main = async (args: readonly string[]): Promise<number> => {
  const [command, ...rest] = args;
  const json = rest.includes('--json');
  switch (command) {
    case 'exec':
      return exec(rest);
    case 'env':
      return environment(rest);
    case 'join':
      return join(rest);
    case 'list':
      return list(json);
    case 'network':
      return network(json);
    case 'clean':
      for (const id of removeLeftovers()) process.stdout.write(`removed ${id}\n`);
      return 0;
    case undefined:
    case 'help':
    case '--help':
      process.stdout.write(HELP);
      return 0;
    default:
      return refuse(`drover lab has no ${command}`, 'drover lab help');
  }
};

void main(process.argv.slice(2)).then((code) => process.exit(code));

import { deterministicId, deterministicUuid, sha256Hex, type Decider, type DomainEvent } from '#kernel';

export interface Step {
  readonly stream: string;
  readonly decider: Decider<unknown, unknown, DomainEvent>;
  readonly command: unknown;
}

/** Few of each kind, so that histories of one thing are long and things meet again. */
export const FEW = 3;
export type Dice = () => number;

export const hex = (n: number) => sha256Hex(`hex ${n}`);
export const wireguardKey = (n: number) => Buffer.from(hex(n), 'hex').toString('base64');
export const step = <S, C, E extends DomainEvent>(stream: string, decider: Decider<S, C, E>, command: C): Step => ({
  stream,
  decider: decider as unknown as Step['decider'],
  command,
});

/** What the things are called, and the chance of one step. */
export const give = (dice: Dice) => {
  const die = (sides: number) => Math.floor(dice() * sides);
  const pick = <T>(of: readonly T[]): T => of[die(of.length)]!;
  const n = die(FEW);
  const id = {
    account: deterministicId('account', 'one'),
    operator: deterministicId('operator', n),
    template: deterministicId('template', n),
    node: deterministicId('node', n),
    instance: deterministicId('instance', n),
    network: deterministicId('sdwan_network', n),
    peer: deterministicId('sdwan_peer', n),
    vip: deterministicId('virtual_ip', n),
    grant: deterministicId('access_grant', n),
    cluster: deterministicId('cluster', n),
    webhook: deterministicId('webhook', n),
  };
  const member = (k: number) => ({
    instance_id: deterministicId('instance', k),
    peer_id: deterministicId('sdwan_peer', k),
  });
  const roll = die(100_000);
  const assignment = (k: number) => ({
    assignment_id: deterministicUuid('assignment', k),
    module_name: pick(['k3s-server', 'k3s-agent', 'docker-engine']),
    config: {},
    priority: 100,
    enabled: true,
    suspended: null,
  });
  const presence = {
    boot_id: deterministicUuid('boot', roll % 4),
    agent_version: '0.1.0',
    architecture: 'x64',
    hostname: `node-${n}`,
    memory_bytes: 1_000_000 + roll,
    underlay_addresses: [`192.0.2.${1 + (roll % 200)}`],
    capabilities: { wireguard: 'kernel' },
  };
  const token = { token_id: `t${roll % 5}`, token_digest: hex(roll % 5), permissions: ['*'], expires_at: null };
  const certificate = {
    serial: hex(roll),
    publicKeyDigest: hex(n),
    notAfter: '2030-01-01T00:00:00.000Z',
    derBase64: 'AA==',
  };

  return { die, pick, n, id, member, roll, assignment, presence, token, certificate };
};
export type Given = ReturnType<typeof give>;

import { describeUnless } from '../e2e/support/with-real-parts.js';
import { LEFT, OPERATORS, PODS } from './support/leftovers.js';
import { Machine, missingForMachines, until } from './support/machine.js';
import { Nights } from './support/nights.js';
import { packagesOfSources } from './support/packages.js';
import { commandsOf } from './support/runbook.js';
import { Units } from './support/units.js';

const INSTALL = 'apt-get install -y --no-install-recommends';
/** One story, told in order: a platform with a server of K3s on one host, a worker on the other. */
describeUnless(missingForMachines(), 'the Debian packages on two hosts with systemd', () => {
  let one: Machine;
  let two: Machine;
  let first: Units;
  let second: Units;
  beforeAll(async () => {
    const binds = packagesOfSources();
    [one, two] = await Promise.all([Machine.boot('a', binds), Machine.boot('b', binds)]);
    [first, second] = [new Units(one), new Units(two)];
    Machine.connect(one, '10.77.0.1/24', two, '10.77.0.2/24');
  }, 900_000);
  afterAll(() => Promise.all([one?.stop(), two?.stop()]));

  /** A step that failed leaves nothing for the next ones to find. */
  let failed = false;
  const step = (what: string, run: () => void | Promise<void>, ms: number) =>
    it(
      what,
      async () => {
        if (failed) throw new Error('an earlier step has failed');
        failed = true;
        await run();
        failed = false;
      },
      ms,
    );

  const drover = (...args: readonly string[]): string => one.ok('drover', ...args);
  const isState = (name: string, state: string) => () =>
    new RegExp(`"state":\\s*"${state}"`).test(one.run('drover', 'instance', 'get', name, '--json').out);
  const nodes = (role: string) => () =>
    new RegExp(` ready .*${role}`).test(one.run('drover', 'cluster', 'nodes', 'k3s-cluster-1').out);
  const platformIsReady = () =>
    until('the platform is ready', () => first.get('/readyz').startsWith('200 '), first.told('drover'));

  /** As an operator does it: what provision answers goes into the agent's settings. */
  const join = async (name: string, template: string, units: Units): Promise<string> => {
    drover('node', 'create', name, `node_template_id=${template}`);
    const { data } = JSON.parse(drover('instance', 'provision', name, '--json')) as {
      data: { join: { token: string; ca_pin: string } };
    };
    drover('peer', 'attach', 'network_id=net1', `node_instance_id=${name}`);
    const { token, ca_pin: pin } = data.join;
    units.settings('/etc/drover/agent.env', [
      `DROVER_AGENT_ARGS=--enroll 10.77.0.1:7444 --ca-pin ${pin} --k3s-bin /opt/k3s`,
      `DROVER_JOIN_TOKEN=${token}`,
    ]);
    units.machine.ok('systemctl', 'enable', '--now', 'drover-agent');
    await until(`${name} is running`, isState(name, 'running'), units.told('drover-agent'));
    return token;
  };

  step(
    'installs without a network, starts nothing by itself, keeps settings and state from others',
    () => {
      one.ok('sh', '-c', `${INSTALL} /packages/drover_*.deb /packages/drover-agent_*.deb`);
      two.ok('sh', '-c', `${INSTALL} /packages/drover-agent_*.deb`);
      expect(one.run('systemctl', 'is-active', 'drover', 'drover-agent').out).toBe('inactive\ninactive\n');
      const files = ['/etc/drover/drover.env', '/etc/drover/agent.env', '/var/lib/drover'];
      expect(one.ok('stat', '-c', '%a %U:%G', ...files)).toBe('640 root:drover\n640 root:root\n700 drover:drover\n');
    },
    900_000,
  );

  step(
    'runs the platform as a user without power; killed by systemctl, it comes back with all it knew',
    async () => {
      first.settings('/etc/drover/drover.env', ['DROVER_PUBLIC_URL=http://10.77.0.1:8080']);
      one.ok('systemctl', 'enable', '--now', 'drover');
      await platformIsReady();
      expect(first.get('/healthz')).toContain('200 ');
      expect(one.ok('ps', '-o', 'user=', '-p', first.property('drover', 'MainPID')).trim()).toBe('drover');
      drover('network', 'create', 'net1');
      await first.killed('drover');
      await platformIsReady();
      expect(drover('network', 'list')).toContain('net1');
      expect(first.journal('drover')).toContain('ready in ');
      expect(first.journal('drover')).not.toContain(one.ok('cat', '/var/lib/drover/admin.token').trim());
    },
    900_000,
  );

  step(
    'enrols agents as units and has real WireGuard between them; the journal has their lines and no token',
    async () => {
      drover('template', 'create', 'servers');
      drover('template', 'create', 'workers');
      const tokens = [await join('s1', 'servers', first), await join('w1', 'workers', second)];
      const isShaken = () => /latest handshake/.test(two.run('wg', 'show').out);
      await until(
        'the hosts shake hands',
        isShaken,
        () => `${two.run('wg', 'show').out}${second.journal('drover-agent')}`,
      );
      for (const units of [first, second]) {
        expect(units.journal('drover-agent')).toContain('"message":"agent starts"');
        for (const token of tokens) expect(units.journal('drover-agent')).not.toContain(token);
      }
    },
    900_000,
  );

  step(
    'installs K3s as a unit with its secret in a private drop-in; both are restarted, neither takes the other along',
    async () => {
      drover('template', 'assign-module', 'servers', 'module_name=k3s-server');
      await until('the server is ready', nodes('control-plane'), first.told('drover-agent', 'k3s'));
      drover(
        'template',
        'assign-module',
        'workers',
        'module_name=k3s-agent',
        'config={"target_cluster_id":"k3s-cluster-1"}',
      );
      await until('the worker is ready', nodes('worker'), second.told('drover-agent', 'k3s-agent'));
      // It says so itself (Type=notify).
      await until(
        'systemd has heard of K3s',
        () => first.property('k3s', 'ActiveState') === 'active',
        first.told('k3s'),
      );
      const dropIn = '/etc/systemd/system/k3s-agent.service.d/override.conf';
      expect(two.ok('stat', '-c', '%a %U', dropIn)).toBe('600 root\n');
      expect(second.property('k3s-agent', 'DropInPaths')).toContain(dropIn);
      const secret = /K3S_TOKEN=(.+)"/.exec(two.ok('cat', dropIn))![1]!;
      expect(two.ok('sh', '-c', 'cat /etc/systemd/system/k3s-agent.service; ps -e -o args=')).not.toContain(secret);
      expect(second.journal('k3s-agent')).toContain('Starting k3s');
      await second.killed('k3s-agent');
      await first.killed('k3s');
      const pids = [first.property('k3s', 'MainPID'), second.property('k3s-agent', 'MainPID')];
      await first.killed('drover-agent');
      two.ok('systemctl', 'restart', 'drover-agent');
      await until('w1 is running', isState('w1', 'running'), second.told('drover-agent'));
      expect([first.property('k3s', 'MainPID'), second.property('k3s-agent', 'MainPID')]).toEqual(pids);
    },
    900_000,
  );

  step(
    'is backed up and restored as the runbook says: the log verifies, secrets open, agents are known; a wrong key is refused',
    async () => {
      const play = (heading: string) => commandsOf('backup.md', heading).map((block) => one.ok('sh', '-euc', block));
      const kubeconfig = drover('cluster', 'kubeconfig', 'k3s-cluster-1');
      play('Back up: embedded Postgres');
      await platformIsReady();
      drover('network', 'create', 'after-the-backup');
      const [, looked] = play('Restore');
      expect(looked).toMatch(/intact/);
      expect(looked).toMatch(/s1[\s\S]*w1/);
      expect(drover('cluster', 'kubeconfig', 'k3s-cluster-1')).toBe(kubeconfig);
      expect(drover('network', 'list')).not.toContain('after-the-backup');
      one.ok('rm', '-r', '/var/lib/drover.aside');
      const areBack = () => isState('s1', 'running')() && isState('w1', 'running')();
      await until('the agents are back', areBack, second.told('drover-agent'));

      one.ok('systemctl', 'stop', 'drover');
      one.ok('sh', '-c', `cd /var/lib/drover && cp -a master.key kept && printf '%064d' 7 >master.key`);
      one.ok('systemctl', 'start', 'drover');
      const isRefused = () =>
        first.journal('drover').includes('master.key in /var/lib/drover are not those of the platform');
      await until('the platform refuses the key', isRefused, first.told('drover'));
      one.ok('systemctl', 'stop', 'drover');
      one.ok('mv', '/var/lib/drover/kept', '/var/lib/drover/master.key');
      one.ok('systemctl', 'start', 'drover');
      await platformIsReady();
      expect(drover('cluster', 'kubeconfig', 'k3s-cluster-1')).toBe(kubeconfig);
    },
    900_000,
  );

  step(
    'starts platform, agents and K3s with the machine',
    async () => {
      await Promise.all([one.reboot(), two.reboot()]);
      await platformIsReady();
      for (const [units, unit] of [
        [first, 'k3s'],
        [second, 'k3s-agent'],
      ] as const) {
        const isUp = () =>
          units.property('drover-agent', 'ActiveState') === 'active' &&
          units.property(unit, 'ActiveState') === 'active';
        await until(`the agent and ${unit} run`, isUp, units.told('drover-agent', unit));
      }
      const isRemembered = () => isState('s1', 'running')() && isState('w1', 'running')() && nodes('worker')();
      await until('the platform sees both', isRemembered, second.told('drover-agent', 'k3s-agent'));
    },
    900_000,
  );

  step(
    'says of an agent that is masked, a full disk and a K3s that stays dead what it is and what to do, once, until it is over',
    async () => {
      const nights = new Nights(one, second, 'w1');
      await nights.agentIsMasked();
      await nights.diskIsFull();
      await nights.k3sStaysDead();
    },
    900_000,
  );

  const over = () => second.property('drover-agent', 'ActiveState') === 'inactive';

  step(
    'leaves nothing of K3s on a host whose instance is terminated, though the agent dies meanwhile; an operator’s own stays',
    async () => {
      two.ok('sh', '-euc', PODS);
      second.settings('/etc/drover/agent.env', [
        ...two.ok('cat', '/etc/drover/agent.env').trim().split('\n'),
        'DROVER_FAILPOINTS=agent.k3s_leaving=kill,agent.k3s_left=kill',
        'DROVER_FAILPOINTS_DIR=/run/drover-failpoints',
      ]);
      two.ok('mkdir', '/run/drover-failpoints');
      two.ok('systemctl', 'restart', 'drover-agent');
      await until('w1 is running', isState('w1', 'running'), second.told('drover-agent'));
      drover('instance', 'terminate', 'w1');
      await until('the agent has wiped', over, second.told('drover-agent'));
      expect(second.property('drover-agent', 'Result')).toBe('success');
      expect(second.property('drover-agent', 'NRestarts')).toBe('2');
      const isOfThePackage = (line: string) =>
        /^(\/usr\/(lib|bin)|\/var\/lib)\/drover|^drover-agent.service /.test(line);
      const left = two.ok('sh', '-c', LEFT).trim().split('\n');
      expect(left.filter((line) => !isOfThePackage(line))).toEqual([
        '/etc/drover',
        '/etc/systemd/system/k3s-agent.service.d',
        '/etc/rancher',
        'operators',
        'table ip operators',
      ]);
      two.ok('ls', ...OPERATORS);
      expect(two.run('pgrep', '-f', 'containerd-shim').code).toBe(1);
      const told = drover('event', 'list', 'kind_prefix=system.instance.wiped', '--json');
      for (const path of OPERATORS) expect(told).toContain(path);
      expect(told).toContain('/var/lib/rancher/k3s');
    },
    900_000,
  );

  step(
    'takes the host in again as another instance; terminated, that one leaves nothing at all',
    async () => {
      two.ok('sh', '-c', `rm ${OPERATORS.join(' ')}; ip netns delete operators; nft delete table ip operators`);
      await join('w2', 'workers', second);
      await until('the new worker is ready', nodes('worker'), second.told('drover-agent', 'k3s-agent'));
      drover('instance', 'terminate', 'w2');
      await until('the agent has wiped', over, second.told('drover-agent'));
      two.ok('systemctl', 'disable', 'drover-agent');
      two.ok('dpkg', '--remove', 'drover-agent');
      expect(two.ok('sh', '-c', LEFT)).toBe('/etc/drover\n');
    },
    900_000,
  );

  step(
    'keeps settings and state when removed, so that another installation goes on; is gone without a trace after a purge',
    async () => {
      one.ok('dpkg', '--remove', 'drover-agent', 'drover');
      expect(one.ok('sh', '-c', 'ls /etc/drover /var/lib/drover/admin.token')).toContain('admin.token');
      one.ok('sh', '-c', `${INSTALL} /packages/drover_*.deb`);
      one.ok('systemctl', 'enable', '--now', 'drover');
      await platformIsReady();
      expect(drover('instance', 'list')).toContain('s1');
      one.ok('dpkg', '--purge', 'drover-agent', 'drover');
      two.ok('dpkg', '--purge', 'drover-agent');
      expect(two.ok('sh', '-c', LEFT)).toBe('');
      // The server's instance was never ended: the data of its cluster are not a package's to delete.
      expect(one.ok('sh', '-c', LEFT)).toBe('/etc/rancher\n/var/lib/rancher\n');
    },
    900_000,
  );
});

import { sleep, until } from '../../../apps/lab/src/processes.js';
import { describeWithRealParts } from '../../e2e/support/with-real-parts.js';
import { Cluster, PATIENCE_MS, REAL_K3S, type Running } from './testing.js';

const VIP = 'fd77::100';
const UNNAMED = 'fd77::200';
const OLD = '/api/v1/nodes?watch=true&resourceVersion=1&timeoutSeconds=2';

describeWithRealParts('k3s, as an unmodified kubectl sees it', { network: 'namespaces', tools: ['kubectl'] }, () => {
  let cluster: Cluster;
  let first: Running;
  let token: string;

  beforeAll(async () => {
    cluster = await Cluster.create(['s1', 's2', 's3', 'w1']);
    for (const address of [VIP, UNNAMED])
      await cluster.on('s1', 'ip', 'addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
    first = cluster.k3s('s1', 'server', '--cluster-init', '--tls-san', VIP, '--tls-san', 'api.example');
    await cluster.useKubeconfigOf('s1');
    await cluster.ready('s1', first);
    token = (await cluster.on('s1', 'cat', '/var/lib/rancher/k3s/server/node-token')).stdout.trim();
  });
  afterAll(() => cluster?.end());

  const mint = async (ttl: string) =>
    (await cluster.on('s1', cluster.bin, 'token', 'create', '--ttl', ttl)).stdout.trim();
  /** A joining node that is refused says so, and goes on trying. */
  const isRefused = async (command: 'server' | 'agent', withToken: string, says: RegExp): Promise<void> => {
    const argv = [command, '--server', cluster.url('s1'), '--token', withToken, '--node-ip', cluster.ip('w1')];
    const joining = cluster.follow('w1', 'timeout', '120', cluster.bin, ...argv);
    await until(`it says ${says.source}`, () => says.test(joining.text()), PATIENCE_MS);
    joining.end();
    await joining.ended;
  };
  const configMap = (name: string) => cluster.kubectl('create', 'configmap', name, '--from-literal=a=b');

  describe('one server', () => {
    it('lists nodes in the columns that kubectl prints', async () => {
      const [head, row] = (await cluster.ask('get', 'nodes')).split('\n');
      expect(head!.split(/\s+/)).toEqual(['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION']);
      expect(row).toMatch(/^s1 +Ready +control-plane,etcd,master +\S+ +v\d+\.\d+\.\d+\+k3s\d+$/);
      const wide = await cluster.ask('get', 'nodes', '-o', 'wide');
      expect(wide).toContain('INTERNAL-IP');
      expect(wide).toContain(cluster.ip('s1'));
    });

    it('runs a pod, and a watch shows it from ContainerCreating to Running', async () => {
      const run = (pod: string) =>
        cluster.ask('run', pod, '--image', 'nginx:1.27-alpine', '--port', '80', '--restart', 'Never');
      const watch = cluster.follow('workstation', 'kubectl', 'get', 'pods', '-w');
      // A pod is created in less time than kubectl may take to begin: what is made now is made before its eyes.
      await run('before');
      await until('the watch has begun', () => /before /.test(watch.text()), PATIENCE_MS);
      await run('hello');
      await until('the watch shows Running', () => /hello +1\/1 +Running/.test(watch.text()), PATIENCE_MS);
      watch.end();
      expect(watch.text()).toMatch(/NAME +READY +STATUS +RESTARTS +AGE/);
      if (REAL_K3S === undefined) expect(watch.text()).toMatch(/hello +0\/1 +ContainerCreating/);
    });

    it('cordons, drains and uncordons', async () => {
      expect(await cluster.ask('cordon', 's1')).toBe('node/s1 cordoned\n');
      expect(await cluster.ask('get', 'nodes')).toMatch(/^s1 +Ready,SchedulingDisabled /m);
      const drained = await cluster.ask('drain', 's1', '--ignore-daemonsets', '--force', '--timeout=60s');
      expect(drained).toContain('pod/hello evicted');
      expect(drained).toContain('node/s1 drained');
      expect((await cluster.kubectl('get', 'pod', 'hello')).stderr).toContain('pods "hello" not found');
      expect(await cluster.ask('uncordon', 's1')).toBe('node/s1 uncordoned\n');
      expect(await cluster.ask('get', 'nodes')).toMatch(/^s1 +Ready +control-plane/m);
    });

    it('carries exactly the names it was given, and learns none from who asks', async () => {
      expect((await cluster.kubectl('--server', `https://[${VIP}]:6443`, 'get', 'nodes')).code).toBe(0);
      for (let i = 0; i < 2; i++) {
        const { code, stderr } = await cluster.kubectl('--server', `https://[${UNNAMED}]:6443`, 'get', 'nodes');
        expect(code).not.toBe(0);
        expect(stderr).toMatch(new RegExp(`x509: certificate is valid for .*${VIP}.*, not ${UNNAMED}`));
      }
      const script = `const s = require('node:tls').connect({ host: '${cluster.ip('s1')}', port: 6443, rejectUnauthorized: false },
        () => { console.log(s.getPeerCertificate().subjectaltname); s.destroy(); })`;
      const { stdout } = await cluster.on('workstation', process.execPath, '-e', script);
      const names = stdout
        .trim()
        .split(', ')
        .map((name) => name.replace(/^(DNS|IP Address):/, '').toLowerCase());
      const internal = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
      const expected = ['127.0.0.1', '0:0:0:0:0:0:0:1', 'localhost', 's1', '10.43.0.1', 'fd77:0:0:0:0:0:0:b'];
      expect(names.sort()).toEqual(
        [...expected, ...internal, `${internal[2]!}.cluster.local`, 'fd77:0:0:0:0:0:0:100', 'api.example'].sort(),
      );
    });

    it('refuses who brings no credentials, or wrong ones', async () => {
      // kubectl itself would ask for a name and a password, so this is a plain client.
      const script = `require('node:https').get('${cluster.url('s1')}/api/v1/nodes', { rejectUnauthorized: false },
        (response) => { response.setEncoding('utf8'); response.on('data', (text) => console.log(response.statusCode, text)); })`;
      const { stdout } = await cluster.on('workstation', process.execPath, '-e', script);
      expect(stdout).toMatch(/^401 .*Unauthorized/);
      const bare = ['kubectl', '--kubeconfig=/dev/null', `--server=${cluster.url('s1')}`];
      const wrong = await cluster.on(
        'workstation',
        ...bare,
        '--insecure-skip-tls-verify',
        '--token=wrong',
        'get',
        'nodes',
      );
      expect(wrong.code).not.toBe(0);
      expect(wrong.stderr).toMatch(/Unauthorized/);
    });

    it('refuses an unknown flag by name', async () => {
      const { code, stdout, stderr } = await cluster.on('w1', cluster.bin, 'server', '--tls-sans', 'x');
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain('flag provided but not defined: -tls-sans');
    });
  });

  describe('watches', () => {
    it('resume from a version with what was missed and nothing twice', async () => {
      const before = JSON.parse(await cluster.ask('get', '--raw', '/api/v1/namespaces/default/configmaps')) as {
        metadata: { resourceVersion: string };
      };
      for (const name of ['m1', 'm2']) expect((await configMap(name)).code).toBe(0);
      await cluster.ask('delete', 'configmap', 'm1');
      const query = `watch=true&resourceVersion=${before.metadata.resourceVersion}&timeoutSeconds=1`;
      const text = await cluster.ask('get', '--raw', `/api/v1/namespaces/default/configmaps?${query}`);
      const events = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { type: string; object: { metadata: { name: string } } });
      expect(events.map((event) => `${event.type} ${event.object.metadata.name}`)).toEqual([
        'ADDED m1',
        'ADDED m2',
        'DELETED m1',
      ]);
    });

    // The real one forgets after five minutes only; the stand-in is told to after 200 events.
    if (REAL_K3S === undefined)
      it('answer 410 Gone when the version is too old to resume from', async () => {
        const one = (_: unknown, i: number) => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x${i}"}}`;
        const documents = Array.from({ length: 240 }, one).join('\n');
        const create = `printf %s '${documents}' | kubectl create -f - -o name | wc -l`;
        const made = await cluster.on('workstation', 'sh', '-c', create);
        expect(made).toMatchObject({ stdout: '240\n', stderr: '' });
        expect(JSON.parse(await cluster.ask('get', '--raw', OLD))).toMatchObject({
          type: 'ERROR',
          object: { kind: 'Status', code: 410, reason: 'Expired' },
        });
      });
  });

  describe('joining', () => {
    it('refuses an expired token, and one for another CA', async () => {
      const expired = await mint('1s');
      expect(expired).toMatch(/^K10[0-9a-f]{64}::[a-z0-9]{6}\.[a-z0-9]{16}$/);
      await sleep(1_200);
      const foreign = token.replace(/^K10.{64}/, `K10${'0'.repeat(64)}`);
      await isRefused('agent', expired, /401|Unauthorized/);
      await isRefused('server', foreign, /token CA hash does not match/);
      expect(await cluster.ask('get', 'nodes')).not.toContain('w1');
    });

    it(
      'takes a worker with a short-lived token',
      async () => {
        const worker = cluster.k3s('w1', 'agent', '--server', cluster.url('s1'), '--token', await mint('5m'));
        await cluster.ready('w1', worker);
        expect(await cluster.ask('get', 'nodes')).toMatch(/^w1 +Ready +<none> /m);
      },
      PATIENCE_MS + 10_000,
    );

    it(
      'takes a second server; of two none may be lost: writes are refused until it is back',
      async () => {
        const join = ['--server', cluster.url('s1'), '--token', token];
        const second = cluster.k3s('s2', 'server', ...join);
        // The worst moment: the others count on it already, and it does not know yet.
        if (REAL_K3S !== undefined) await cluster.ready('s2', second);
        else await until('s2 is a member', () => /Promoting learner s2/.test(first.text()), PATIENCE_MS, 1);
        await cluster.lab.kill9Host('s2');
        const alone = await configMap('while-alone');
        expect(alone.code).not.toBe(0);
        await cluster.lab.addHost('s2');
        const back = cluster.k3s('s2', 'server', ...join);
        await cluster.ready('s2', back);
        await until('writes are taken again', async () => (await configMap('after')).code === 0, PATIENCE_MS, 100);
      },
      2 * PATIENCE_MS + 10_000,
    );

    it(
      'takes a third; of three the first may be lost: all objects are there and writes go on',
      async () => {
        await cluster.ready('s3', cluster.k3s('s3', 'server', '--server', cluster.url('s2'), '--token', token));
        // Who is a member is written while others come and go.
        const names = async (server: string) =>
          (
            await cluster.kubectl(
              '--server',
              cluster.url(server),
              'get',
              'configmaps,secrets,nodes',
              '-A',
              '-o',
              'name',
            )
          ).stdout
            .split('\n')
            .filter((name) => !name.startsWith('configmap/k3s-etcd-member-'));
        const before = await names('s1');
        await cluster.lab.kill9Host('s1');
        await until(
          'writes are taken by a survivor',
          async () =>
            (await cluster.kubectl('--server', cluster.url('s2'), 'label', 'node', 's2', 'survived=yes', '--overwrite'))
              .code === 0,
          PATIENCE_MS,
          50,
        );
        for (const server of ['s2', 's3']) expect(await names(server)).toEqual(before);
        await until(
          'the lost server is NotReady',
          async () =>
            /^s1 +NotReady/m.test((await cluster.kubectl('--server', cluster.url('s3'), 'get', 'nodes')).stdout),
          PATIENCE_MS,
          200,
        );
      },
      4 * PATIENCE_MS,
    );
  });
});

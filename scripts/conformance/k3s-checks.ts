import { existsSync } from 'node:fs';
import { ETCD_ROLE_LABEL } from '../../libs/kubernetes/src/application/leave-cluster.js';
import { problemOf } from '../../libs/kubernetes/src/application/node-conditions.js';
import { eventually, refusedWith, that, type Check, type K3sMachine, type Target } from './check.js';

const check = (name: string, run: (target: Target, k3s: K3sMachine) => Promise<void>): Check => ({
  name,
  of: 'k3s',
  run: (target) => run(target, target.k3s!),
});

const ok = (k3s: K3sMachine, ...argv: string[]): string => {
  const { code, output } = k3s.run(...argv);
  that(code === 0, `k3s ${argv.join(' ')}: exit code ${code}: ${output.slice(-300)}`);
  return output;
};

interface Snapshots {
  readonly items: readonly { readonly spec: { readonly snapshotName: string; readonly location: string } }[];
}
const snapshots = (k3s: K3sMachine, name: string): Snapshots['items'] => {
  const output = ok(k3s, 'etcd-snapshot', 'ls', '--data-dir', k3s.dataDir, '-o', 'json');
  const json = output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1);
  return (JSON.parse(json) as Snapshots).items.filter((item) => item.spec.snapshotName.startsWith(`${name}-`));
};
const save = (k3s: K3sMachine, name: string): void =>
  void ok(k3s, 'etcd-snapshot', 'save', '--data-dir', k3s.dataDir, '--name', name);
const basic = (k3s: K3sMachine, password = k3s.token().split(':').at(-1)!) => ({
  authorization: `Basic ${Buffer.from(`server:${password}`).toString('base64')}`,
});

let restorable = '';

export const k3sChecks: readonly Check[] = [
  check('its own node is Ready, with the roles of a server and its etcd member', async ({ core }, k3s) => {
    await eventually('Ready', async () => {
      const node = await core.readNode({ name: k3s.nodeName }).catch(() => undefined);
      return node !== undefined && problemOf(node) === undefined;
    });
    const { labels, annotations } = (await core.readNode({ name: k3s.nodeName })).metadata!;
    that(labels?.[ETCD_ROLE_LABEL] === 'true', `labels: ${Object.keys(labels ?? {}).join(' ')}`);
    that(
      (annotations?.['etcd.k3s.cattle.io/node-name'] ?? '').startsWith(`${k3s.nodeName}-`),
      'its member is not named',
    );
  }),
  check('keeps a password for its node', async ({ core }, k3s) => {
    const name = `${k3s.nodeName}.node-password.k3s`;
    that((await core.readNamespacedSecret({ namespace: 'kube-system', name })).data?.['hash'] !== undefined, 'no hash');
  }),
  // k3s-io/k3s pkg/nodepassword (Ensure: the hash in the Secret decides) and pkg/agent/config (what a 403 is called).
  check('gives the kubelet certificate of a known node to nobody with another password: 403', async ({ raw }, k3s) => {
    const ask = (name: string, password: string) => {
      const user = { ...basic(k3s), 'k3s-node-name': name, 'k3s-node-password': password };
      return raw('GET', '/v1-k3s/client-kubelet.crt', { user });
    };
    const first = await ask('conformance-other', 'one');
    that(first.status === 200, `a new name: ${first.status} ${first.body.slice(0, 200)}`);
    that((await ask('conformance-other', 'one')).status === 200, 'the same password again is refused');
    const other = await ask('conformance-other', 'two');
    that(other.status === 403, `another password: ${other.status} ${other.body.slice(0, 200)}`);
  }),
  check('makes, lists and deletes join tokens with a time to live', async ({ core }, k3s) => {
    const token = ok(k3s, 'token', 'create', '--data-dir', k3s.dataDir, '--ttl', '5m').trim().split('\n').at(-1)!;
    const id = /^K10[0-9a-f]{64}::([a-z0-9]{6})\.[a-z0-9]{16}$/.exec(token)?.[1];
    that(id !== undefined, `the token is ${token.slice(0, 10)}…`);
    that(ok(k3s, 'token', 'list', '--data-dir', k3s.dataDir).includes(id!), 'it is not listed');
    const secret = { namespace: 'kube-system', name: `bootstrap-token-${id}` };
    that((await core.readNamespacedSecret(secret)).data?.['expiration'] !== undefined, 'it never expires');
    ok(k3s, 'token', 'delete', '--data-dir', k3s.dataDir, id!);
    that((await refusedWith(core.readNamespacedSecret(secret)))?.code === 404, 'it is still there');
  }),
  check('takes snapshots, lists, prunes and deletes them', async (_, k3s) => {
    save(k3s, 'conf');
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // names count seconds
    save(k3s, 'conf');
    const two = snapshots(k3s, 'conf');
    that(two.length === 2, `${two.length} are listed`);
    that(existsSync(new URL(two[0]!.spec.location)), `${two[0]!.spec.location} is no file`);
    ok(k3s, 'etcd-snapshot', 'prune', '--data-dir', k3s.dataDir, '--name', 'conf', '--snapshot-retention', '1');
    const one = snapshots(k3s, 'conf');
    that(
      one.length === 1 && one[0]!.spec.snapshotName > two.map((s) => s.spec.snapshotName).sort()[0]!,
      'the wrong one is left',
    );
    ok(k3s, 'etcd-snapshot', 'delete', '--data-dir', k3s.dataDir, one[0]!.spec.snapshotName);
    that(snapshots(k3s, 'conf').length === 0, 'it is still listed');
  }),
  check('takes a snapshot over its supervisor port, for who has the server token only', async ({ raw }, k3s) => {
    const ask = (user: Parameters<typeof raw>[2] & object) => raw('POST', '/db/snapshot', user);
    const body = { operation: 'save', name: ['wire'] };
    const refused = await ask({ body, user: basic(k3s, 'wrong') });
    that(refused.status === 401 || refused.status === 403, `a wrong token: ${refused.status}`);
    const saved = await ask({ body, user: basic(k3s) });
    that(saved.status === 200, `save: ${saved.status} ${saved.body.slice(0, 200)}`);
    const { created } = JSON.parse(saved.body) as { created: string[] };
    that(created[0]?.startsWith(`wire-${k3s.nodeName}-`) === true, saved.body);
    const listed = await ask({ body: { operation: 'list' }, user: basic(k3s) });
    that(listed.body.includes(created[0]!), 'list: it is not there');
  }),
  check('restores a snapshot: what came after is gone, what was before is there', async ({ core, namespace }, k3s) => {
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'before' } } });
    save(k3s, 'restore');
    restorable = new URL(snapshots(k3s, 'restore')[0]!.spec.location).pathname;
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'after' } } });
    await k3s.stop();
    const said = ok(
      k3s,
      'server',
      '--data-dir',
      k3s.dataDir,
      '--cluster-reset',
      `--cluster-reset-restore-path=${restorable}`,
    );
    that(said.includes('restart without --cluster-reset flag now'), said.slice(-300));
    const twice = k3s.run('server', '--data-dir', k3s.dataDir, '--cluster-reset');
    that(twice.code !== 0 && twice.output.includes('previously reset'), `a second reset: ${twice.output.slice(-300)}`);
    await k3s.start();
    await core.readNamespacedConfigMap({ namespace, name: 'before' });
    that(
      (await refusedWith(core.readNamespacedConfigMap({ namespace, name: 'after' })))?.code === 404,
      'after is there',
    );
  }),
  check('restores no snapshot with another token', async (_, k3s) => {
    const argv = ['server', '--data-dir', `${k3s.dataDir}-other`, '--token', 'another', '--node-name', 'other'];
    const { code, output } = k3s.run(...argv, '--cluster-reset', `--cluster-reset-restore-path=${restorable}`);
    that(code !== 0, `exit code ${code}: ${output.slice(-300)}`);
    that(/different token|decrypt|bootstrap/i.test(output), output.slice(-300));
  }),
  // k3s-io/k3s pkg/server/handlers/{router,token}.go: the datastore has it at once, who may ask this server when it is started anew.
  check('rotates its server token; the former one is refused after the next start', async ({ raw }, k3s) => {
    const former = k3s.token();
    const status = (password?: string) => raw('GET', '/v1-k3s/encrypt/status', { user: basic(k3s, password) });
    that((await status('wrong')).status === 401 || (await status('wrong')).status === 403, 'a wrong token is taken');
    that((await status()).status === 200, 'its own token is not taken');
    const renewed = 'conformance-rotated';
    ok(k3s, 'token', 'rotate', '--data-dir', k3s.dataDir, '--token', former, '--new-token', renewed);
    that(k3s.token().endsWith(`:${renewed}`), 'the file has not the new token');
    await k3s.stop();
    await k3s.start();
    that((await status(renewed)).status === 200, 'the new token is not taken');
    const old = (await status(former.split(':').at(-1)!)).status;
    that(old === 401 || old === 403, `the former token: ${old}`);
  }),
];

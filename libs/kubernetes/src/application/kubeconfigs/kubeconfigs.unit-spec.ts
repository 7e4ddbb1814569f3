import { parse } from 'yaml';
import { isoTime, ManualClock, refusal, RefusedError, silentLog, type ClusterId } from '#kernel';
import { accessEvents, operatorDecider, type OperatorCommand } from '#access';
import type { Position } from '#event-store';
import { createInMemoryPlatform } from '#processing';
import { clusterDecider, type ClusterCommand } from '../../domain/cluster/decide.js';
import { kubernetesEvents } from '../../domain/events.js';
import { kubeconfigsProjection } from '../../projections/kubeconfigs.js';
import type { KubeApis } from '../kube-api.js';
import { IssueKubeconfig, RevokeKubeconfig, WithdrawKubeconfigsOf } from './commands.js';
import { IssueKubeconfigHandler, RevokeKubeconfigHandler } from './handlers.js';
import { kubeconfigManager } from './manager.js';
import { kubeconfigOwners, WithdrawKubeconfigsOfHandler } from './owners.js';

const uuid = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const CLUSTER = `cluster-${uuid(1)}` as ClusterId;
const SERVER = `instance-${uuid(1)}`;
const ISSUE = `kubeconfig-${uuid(7)}`;
const ACCOUNT = `drover-kubeconfig-${uuid(7)}`;
const OPERATOR = `operator-${uuid(3)}` as const;
const BEARER = 'eyJ.a-credential.of-somebody';

/** A Kubernetes API as far as kubeconfigs need it: what there is, and what it is to refuse. */
class PaperApi {
  readonly there = new Set<string>();
  refuses: string | undefined;
  reachable = true;
  grantedSeconds = 900;
  beforeAccount: (() => Promise<void>) | undefined;

  constructor(private readonly clock: ManualClock) {}

  apis(): KubeApis {
    const open = async () => {
      if (!this.reachable) throw new RefusedError(refusal(503, 'no_server_connected', 'no server is connected'));
      return { core: this.client, config: { makeApiClient: () => this.client }, close: async () => undefined };
    };
    return { open } as unknown as KubeApis;
  }

  private readonly client = {
    createNamespacedServiceAccount: async ({ body }: Named) => {
      await this.beforeAccount?.();
      return this.make('account', body.metadata.name);
    },
    createClusterRoleBinding: ({ body }: Named & { body: { roleRef: { name: string } } }) =>
      this.make(body.roleRef.name, body.metadata.name),
    createNamespacedServiceAccountToken: async () => {
      if (this.refuses === 'token') throw Object.assign(new Error('forbidden'), { code: 403 });
      const expirationTimestamp = isoTime(this.clock.wallMs() + this.grantedSeconds * 1_000);
      return { status: { token: BEARER, expirationTimestamp } };
    },
    deleteNamespacedServiceAccount: ({ name }: { name: string }) => this.drop((one) => one === `account ${name}`),
    deleteClusterRoleBinding: ({ name }: { name: string }) =>
      this.drop((one) => one.endsWith(name) && !one.startsWith('account')),
  };
  private async make(kind: string, name: string): Promise<object> {
    if (this.there.has(`${kind} ${name}`)) throw Object.assign(new Error('already exists'), { code: 409 });
    this.there.add(`${kind} ${name}`);
    return {};
  }
  private async drop(matches: (one: string) => boolean): Promise<object> {
    if (this.refuses === 'withdrawal') throw Object.assign(new Error('forbidden'), { code: 403 });
    const found = [...this.there].find(matches);
    if (found === undefined) throw Object.assign(new Error('not found'), { code: 404 });
    this.there.delete(found);
    return {};
  }
}
interface Named {
  readonly body: { readonly metadata: { readonly name: string } };
}

const world = async () => {
  const clock = new ManualClock();
  const platform = createInMemoryPlatform({ definitions: [...kubernetesEvents, ...accessEvents], clock });
  const { transactor, processing } = platform;
  const api = new PaperApi(clock);
  const issuer = new IssueKubeconfigHandler(transactor, silentLog, api.apis());
  const revoker = new RevokeKubeconfigHandler(transactor, api.apis());
  platform.handle(IssueKubeconfig, (command) => issuer.execute(command as IssueKubeconfig));
  platform.handle(RevokeKubeconfig, (command) => revoker.execute(command as RevokeKubeconfig));
  const withdrawer = new WithdrawKubeconfigsOfHandler(transactor, platform.readModels, platform.readYourWrites);
  platform.handle(WithdrawKubeconfigsOf, (command) => withdrawer.execute(command as WithdrawKubeconfigsOf));
  for (const command of [IssueKubeconfig, RevokeKubeconfig, WithdrawKubeconfigsOf])
    processing.addCommand(command as never);
  processing.addProcessManager(kubeconfigManager);
  processing.addProcessManager(kubeconfigOwners);
  processing.addProjection(kubeconfigsProjection);
  let count = 0;
  const context = () => {
    const id = uuid(0).replace(/.$/, '') + String(count++);
    const actor = { kind: 'operator', id: OPERATOR } as const;
    const ids = { commandId: id, correlationId: id, causationId: id };
    return { ...ids, accountId: `account-${uuid(1)}`, actor, nowMs: clock.wallMs() };
  };
  const onCluster = (command: ClusterCommand) => transactor.transact(CLUSTER, clusterDecider, command, context());
  const claim = {
    ...{ cluster_id: CLUSTER, name: 'prod', claimant_instance_id: SERVER, assignment_id: uuid(2) },
    ...{ template_id: `template-${uuid(1)}`, network_id: `sdwan_network-${uuid(1)}` },
    ...{ virtual_ip_id: null, vip: null, cni_plugin: 'flannel', pod_cidr: null },
  } as const;
  await onCluster({ type: 'claim', claim: claim as never, ignoredPodPrefix: null });
  const bootstrap = async () => {
    const refs = { kubeconfigRef: 'r', kubeconfigDigest: 'd', serverTokenRef: 't', caPem: 'THE CA', version: 'v1' };
    await onCluster({ type: 'bootstrap', instanceId: SERVER, ...refs });
    await onCluster({ type: 'mark_bootstrapped', apiEndpoint: 'https://[fd00::100]:6443', failover: 'none' });
  };
  const operator = (command: OperatorCommand) => transactor.transact(OPERATOR, operatorDecider, command, context());
  const token = { token_id: 't', token_digest: 'd', permissions: ['role:operator'], expires_at: null };
  const accountId = `account-${uuid(1)}` as const;
  await operator({ type: 'create_operator', operatorId: OPERATOR, accountId, name: 'maria', token });
  const issue = (ttl_seconds = 3_600, given = context(), untold = false) => {
    const payload = { issue_id: ISSUE, cluster_id: CLUSTER, role: 'edit', ttl_seconds, untold } as const;
    return issuer.execute(new IssueKubeconfig(payload, given));
  };
  const revoke = () => revoker.execute(new RevokeKubeconfig({ issue_id: ISSUE, reason: 'revoked' }, context()));
  const after = async (seconds: number) => {
    await platform.drain();
    await clock.advance(seconds * 1_000);
    await platform.drain();
    return platform.readModels.get(kubeconfigsProjection, ISSUE);
  };
  const kinds = async () =>
    (await platform.store.readAll(0n as never, { limit: 10_000 })).events.map(({ type }) => type);
  return { kinds, operator, api, bootstrap, issue, revoke, after, context, onCluster, platform, clock };
};

describe('a kubeconfig that is issued', () => {
  it('has a service account and a binding of its own, the endpoint as server, and an end', async () => {
    const w = await world();
    expect(await w.issue()).toMatchObject({ kind: 'refused', refusal: { code: 'kubeconfig_not_yet_available' } });
    await w.bootstrap();
    const given = w.context();
    const issued = await w.issue(3_600, given);
    if (issued.kind !== 'done') throw new Error(issued.refusal.message);
    const file = parse(issued.value.kubeconfig!) as { clusters: object[]; users: object[] };
    const authority = Buffer.from('THE CA').toString('base64');
    expect(file.clusters).toEqual([
      {
        name: 'prod',
        cluster: { server: 'https://[fd00::100]:6443', 'certificate-authority-data': authority },
      },
    ]);
    expect(file.users).toEqual([{ name: 'drover', user: { token: BEARER } }]);
    // The API server granted a quarter of an hour.
    expect(issued.value.expiresAt).toBe(isoTime(w.clock.wallMs() + 900_000));
    expect([...w.api.there]).toEqual([`account ${ACCOUNT}`, `edit ${ACCOUNT}`]);
    expect(await w.issue(3_600, given)).toMatchObject({ kind: 'done', value: { kubeconfig: null } });
    const doc = await w.after(0);
    expect(doc).toMatchObject({ operator: OPERATOR, role: 'edit', serviceAccount: ACCOUNT, revoked: null });
    const { events } = await w.platform.store.readAll(0n as Position, { limit: 100 });
    const said = JSON.stringify(events.map(({ data, meta }) => ({ data, meta })));
    expect(said).toContain(ACCOUNT);
    expect(said).not.toContain(BEARER);
  });

  it('is told when an approved call is made again after a crash: nobody saw the token that it made first', async () => {
    const w = await world();
    await w.bootstrap();
    const given = w.context();
    await w.issue(900, given);
    const again = await w.issue(900, given, true);
    expect(again).toMatchObject({ kind: 'done', value: { kubeconfig: expect.stringContaining(BEARER) } });
    expect([...w.api.there]).toEqual([`account ${ACCOUNT}`, `edit ${ACCOUNT}`]);
    await w.revoke();
    expect(await w.issue(900, given, true)).toMatchObject({ refusal: { code: 'issue_failed' } });
    expect(w.api.there.size).toBe(0);
  });

  it('outlasts a trouble of the API while an approved call is made again and again', async () => {
    const w = await world();
    await w.bootstrap();
    const given = w.context();
    w.api.refuses = 'token';
    expect(await w.issue(900, given, true)).toMatchObject({ refusal: { status: 503, code: 'kubernetes_api_failed' } });
    w.api.reachable = false;
    await expect(w.issue(900, given, true)).rejects.toMatchObject({ refusal: { status: 503 } });
    w.api.reachable = true;
    w.api.refuses = undefined;
    expect(await w.after(60)).toMatchObject({ revoked: null });
    const told = await w.issue(900, given, true);
    expect(told).toMatchObject({ kind: 'done', value: { kubeconfig: expect.stringContaining(BEARER) } });
    expect([...w.api.there]).toEqual([`account ${ACCOUNT}`, `edit ${ACCOUNT}`]);
  });

  it('ends when it would have expired, where the API never does it: nothing of it is left', async () => {
    const w = await world();
    await w.bootstrap();
    const given = w.context();
    w.api.refuses = 'token';
    await w.issue(900, given, true);
    w.api.reachable = false;
    await w.after(901);
    const late = { ...given, nowMs: w.clock.wallMs() };
    expect(await w.issue(900, late, true)).toMatchObject({ refusal: { status: 410, code: 'issue_failed' } });
    w.api.reachable = true;
    expect(await w.after(3_600)).toMatchObject({ revoked: 'expired' });
    expect(w.api.there.size).toBe(0);

    const away = await world();
    await away.bootstrap();
    away.api.reachable = false;
    const first = away.context();
    await expect(away.issue(900, first, true)).rejects.toMatchObject({ refusal: { status: 503 } });
    const then = { ...first, nowMs: first.nowMs + 900_000 };
    expect(await away.issue(900, then, true)).toMatchObject({ refusal: { status: 410, code: 'issue_failed' } });
  });

  it('is made for nobody when it is taken back in the very moment in which it is made', async () => {
    const w = await world();
    await w.bootstrap();
    const given = w.context();
    w.api.beforeAccount = async () => void (await w.revoke());
    expect(await w.issue(900, given, true)).toMatchObject({ refusal: { status: 410, code: 'issue_failed' } });
    expect(w.api.there.size).toBe(0);
  });

  it('is not called issued where its first try failed', async () => {
    const w = await world();
    await w.bootstrap();
    w.api.refuses = 'token';
    const given = w.context();
    await w.issue(900, given);
    w.api.refuses = undefined;
    for (const untold of [false, true])
      expect(await w.issue(900, given, untold)).toMatchObject({ refusal: { code: 'issue_failed' } });
    expect(w.api.there.size).toBe(0);
  });

  it('has an end where its API goes on refusing, which is told with what to do, and leaves nothing behind', async () => {
    const w = await world();
    await w.bootstrap();
    w.api.refuses = 'token';
    expect(await w.issue(3_600, w.context(), true)).toMatchObject({ refusal: { code: 'kubernetes_api_failed' } });
    expect((await w.after(200))?.failed).toBeUndefined();
    expect(await w.issue(3_600, w.context(), true)).toMatchObject({ refusal: { code: 'kubernetes_api_failed' } });
    await w.after(200);
    expect(await w.issue(3_600, w.context(), true)).toMatchObject({ refusal: { status: 410, code: 'issue_failed' } });
    expect(await w.after(1)).toMatchObject({ failed: 'forbidden', revoked: 'issue_failed' });
    expect(w.api.there.size).toBe(0);
    w.api.refuses = undefined;
    expect(await w.issue(3_600, w.context(), true)).toMatchObject({ refusal: { status: 410, code: 'issue_failed' } });
    expect((await w.kinds()).filter((kind) => kind.endsWith('issue_failed'))).toHaveLength(1);
  });

  it('is told once when its API does not let it be taken back, and goes when it does', async () => {
    const w = await world();
    await w.bootstrap();
    await w.issue(900);
    w.api.refuses = 'withdrawal';
    await w.after(901);
    await w.after(3_600);
    expect((await w.kinds()).filter((kind) => kind.endsWith('withdrawal_stuck'))).toHaveLength(1);
    expect((await w.after(0))?.revoked).toBeNull();
    w.api.refuses = undefined;
    expect(await w.after(2 * 3_600)).toMatchObject({ revoked: 'expired' });
    expect(w.api.there.size).toBe(0);
  });

  it('is revoked at once, or not at all while the cluster cannot be reached', async () => {
    const w = await world();
    await w.bootstrap();
    await w.issue();
    w.api.reachable = false;
    expect(await w.revoke()).toMatchObject({ kind: 'refused', refusal: { code: 'no_server_connected' } });
    expect((await w.after(0))?.revoked).toBeNull();
    w.api.reachable = true;
    expect((await w.revoke()).kind).toBe('done');
    expect([...w.api.there]).toEqual([]);
    expect(await w.revoke()).toEqual({ kind: 'done', value: undefined });
    expect(await w.after(7_200)).toMatchObject({ revoked: 'revoked' });
  });

  it('goes when its operator is disabled, as soon as its cluster can be reached', async () => {
    const w = await world();
    await w.bootstrap();
    await w.issue();
    await w.operator({ type: 'disable', reason: 'left' });
    expect(await w.after(1)).toMatchObject({ revoked: 'operator_disabled' });
    expect([...w.api.there]).toEqual([]);

    const away = await world();
    await away.bootstrap();
    await away.issue();
    away.api.reachable = false;
    await away.operator({ type: 'disable', reason: 'left' });
    expect(await away.after(30)).toMatchObject({ revoked: null, ordered: true });
    away.api.reachable = true;
    expect(await away.after(600)).toMatchObject({ revoked: 'operator_disabled' });
    expect(away.api.there.size).toBe(0);
  });

  it('goes also when a call that was let in before its operator was disabled issues it after', async () => {
    const w = await world();
    await w.bootstrap();
    await w.operator({ type: 'disable', reason: 'left' });
    await w.after(1);
    await w.issue();
    expect(await w.after(61)).toMatchObject({ revoked: 'operator_disabled' });
  });

  it('stays where its operator is enabled again before anybody heard', async () => {
    const w = await world();
    await w.bootstrap();
    await w.issue();
    await w.operator({ type: 'disable', reason: 'a slip' });
    await w.operator({ type: 'enable' });
    expect(await w.after(120)).toMatchObject({ revoked: null });
    expect(w.api.there.size).toBe(2);
  });

  it('is cleaned up when it has expired, however long the cluster is away', async () => {
    const w = await world();
    await w.bootstrap();
    await w.issue();
    w.api.reachable = false;
    expect((await w.after(3_601))?.revoked).toBeNull();
    expect((await w.after(60))?.revoked).toBeNull();
    expect(w.api.there.size).toBe(2);
    w.api.reachable = true;
    expect(await w.after(600)).toMatchObject({ revoked: 'expired' });
    expect(w.api.there.size).toBe(0);
  });

  it('leaves nothing behind when it could not be made, and needs no API when its cluster is gone', async () => {
    const w = await world();
    await w.bootstrap();
    w.api.refuses = 'token';
    expect(await w.issue()).toMatchObject({ kind: 'refused', refusal: { code: 'kubernetes_api_failed' } });
    expect(w.api.there.size).toBe(0);
    expect(await w.after(0)).toMatchObject({ revoked: 'issue_failed' });
    const gone = await world();
    await gone.bootstrap();
    await gone.issue();
    await gone.onCluster({ type: 'decommission' } as ClusterCommand);
    gone.api.reachable = false;
    expect(await gone.after(3_601)).toMatchObject({ revoked: 'cluster_decommissioned' });
  });
});

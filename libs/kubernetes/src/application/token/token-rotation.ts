import { Inject, Injectable } from '@nestjs/common';
import { RANDOM, TIMERS, type Random, type Timers } from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';
import { TRANSACTOR, type CommandContext, type Transactor } from '#processing';
import type { Cluster } from '../../domain/cluster/state.js';
import type { Rollout } from '../../domain/upgrade/state.js';
import { apiSaid } from '../api-said.js';
import { Clusters } from '../clusters.js';
import { derive } from '../derive.js';
import { KubeApis } from '../kube-api.js';
import { NodeChannel } from '../snapshots/node-channel.js';
import { ServerTokenApi, secretPart, withSecret } from './server-token.js';

const SECRET_BYTES = 32;

/**
 * The steps of a token's rotation that are the cluster's, not a node's: a new token is chosen, K3s encrypts its datastore with
 * it, and every server is given it before the first is restarted. Each may be made again; the restarts are the rollout's.
 */
@Injectable()
export class TokenRotation {
  private readonly clusters: Clusters;
  private readonly channel: NodeChannel;

  constructor(
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(AGENT_LINK) private readonly link: AgentLink,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(KubeApis) private readonly apis: KubeApis,
    @Inject(TIMERS) timers: Timers,
  ) {
    this.clusters = new Clusters(transactor);
    this.channel = new NodeChannel(link, timers);
  }

  /** Undefined when every server has the new token, else why not yet. */
  async prepare(state: Rollout, cluster: Cluster, context: CommandContext): Promise<string | undefined> {
    try {
      const made = cluster.tokenChange?.run === state.run && cluster.tokenChange.phase === 'made';
      if (!made) await this.make(state.run, cluster, context);
      const now = made ? cluster : (await this.clusters.read(cluster.id))!;
      const told = state.nodes.filter((n) => !n.reported && n.phase !== 'skipped' && now.nodes.has(n.instanceId));
      await this.give(
        now,
        told.map((n) => n.instanceId),
        state.run,
      );
      return undefined;
    } catch (error) {
      return apiSaid(error);
    }
  }

  /** Whether a server that says that it runs with the new token takes it, and the one before no longer. */
  async inForce(cluster: Cluster, instanceId: string): Promise<{ readonly ok: boolean; readonly detail: string }> {
    try {
      const api = this.api(cluster, instanceId);
      const accepted = await api.accepts(await this.token(cluster.serverTokenRef));
      if (accepted === false) return { ok: false, detail: 'it does not take the new server token yet' };
      const former =
        cluster.formerTokenRef === null ? false : await api.accepts(await this.token(cluster.formerTokenRef));
      return former === true
        ? { ok: false, detail: 'it still takes the former server token' }
        : { ok: true, detail: '' };
    } catch (error) {
      return { ok: false, detail: apiSaid(error, 300) };
    }
  }

  private async make(run: number, before: Cluster, context: CommandContext): Promise<void> {
    const servers = Clusters.servers(before);
    const isChosen = before.tokenChange?.run === run && before.tokenChange.phase === 'chosen';
    if (!isChosen) await this.ready(before, servers);
    const cluster = await this.chosen(run, before, context);
    const ref = cluster.tokenChange!.ref;
    const [old, fresh] = [await this.token(cluster.serverTokenRef), await this.token(ref)];
    const without = await this.offer(cluster, servers, run, { token: fresh, former: old });
    const refusals = new Map<string, string>();
    // Where K3s has it already, of an earlier try, the platform only has to write that down.
    const known = await this.anyHas(cluster, servers, fresh);
    // One that is restarted and knows the former one only would not start: K3s is not told before all know both.
    if (!known && without.length > 0) throw new Error(`both server tokens have not reached ${without.join('; ')}`);
    for (const id of servers) {
      const done = await this.rotateOn(this.api(cluster, id), old, fresh);
      if (done === undefined) {
        await this.clusters.apply(cluster.id, { type: 'token_made', run, ref }, derive(context, 'token_made'));
        return;
      }
      refusals.set(id, done);
    }
    // One server says so for many reasons: it is not up yet, or older than the others. All of them say so for one.
    const isUnknown = servers.length > 0 && [...refusals.values()].every((said) => said.startsWith('404'));
    if (isUnknown && !known) {
      const reason = 'this version of K3s cannot rotate its server token (v1.28.2, v1.27.7, v1.26.10 and v1.25.15 can)';
      await this.clusters.apply(cluster.id, { type: 'drop_token', run, reason }, derive(context, 'token_dropped'));
      throw new Error(reason);
    }
    const said = [...refusals].map(([id, why]) => `${id}: ${why}`);
    throw new Error(`K3s did not take the new token: ${said.join('; ')}`);
  }

  /** Nothing is chosen before it can be told to all: what is chosen cannot be taken back. */
  private async ready(cluster: Cluster, servers: readonly string[]): Promise<void> {
    const away = servers.filter((id) => !this.link.liveness(id).connected);
    if (away.length > 0) throw new Error(`${away.join(', ')} must be connected, to be given the new token`);
    for (const id of servers) {
      try {
        await this.channel.ask(id, { op: 'token_pair_ready', id: cluster.id });
      } catch (error) {
        const why = apiSaid(error);
        if (!/the request is none/.test(why)) throw error;
        throw new Error(`the agent of ${id} is too old to be given two tokens: update it first (${why})`, {
          cause: error,
        });
      }
    }
  }

  /** Both tokens to everybody, so that each finds out by itself which one K3s has, whoever dies when. Answers whom it did not reach. */
  private async offer(
    cluster: Cluster,
    servers: readonly string[],
    generation: number,
    tokens: { readonly token: string; readonly former: string },
  ): Promise<readonly string[]> {
    const without: string[] = [];
    for (const server of servers) {
      try {
        await this.channel.ask(server, { op: 'token_pair', id: cluster.id, generation, ...tokens });
      } catch (error) {
        without.push(`${server}: ${apiSaid(error)}`);
      }
    }
    return without;
  }

  private async anyHas(cluster: Cluster, servers: readonly string[], token: string): Promise<boolean> {
    for (const id of servers) {
      const has = await this.api(cluster, id)
        .accepts(token)
        .catch(() => false);
      if (has === true) return true;
    }
    return false;
  }

  /** The stream decides which of two platforms chose; both go on with that one. */
  private async chosen(run: number, cluster: Cluster, context: CommandContext): Promise<Cluster> {
    const known = cluster.tokenChange;
    if (known?.run === run && known.phase !== 'dropped') return cluster;
    const old = await this.token(cluster.serverTokenRef);
    const secret = Buffer.from(this.random.bytes(SECRET_BYTES)).toString('hex');
    const name = `server_token.r${run}.${Buffer.from(this.random.bytes(4)).toString('hex')}`;
    const { ref } = await this.secrets.put(cluster.id, name, withSecret(old, secret));
    await this.clusters.apply(cluster.id, { type: 'choose_token', run, ref }, derive(context, 'token_chosen'));
    return (await this.clusters.read(cluster.id))!;
  }

  /** A server that was restarted after an earlier try takes the new token only, and having it twice changes nothing. */
  private async rotateOn(api: ServerTokenApi, old: string, fresh: string): Promise<string | undefined> {
    try {
      let answer = await api.rotate(old, secretPart(fresh));
      if (answer.status === 401) answer = await api.rotate(fresh, secretPart(fresh));
      return answer.status === 200 ? undefined : `${answer.status} ${answer.text}`;
    } catch (error) {
      return apiSaid(error);
    }
  }

  /** None of them starts without it any more: one that cannot be reached keeps it from no other. */
  private async give(cluster: Cluster, servers: readonly string[], generation: number): Promise<void> {
    const token = await this.token(cluster.tokenChange!.ref);
    const without: string[] = [];
    for (const server of servers) {
      try {
        await this.channel.ask(server, { op: 'token', id: cluster.id, generation, token });
      } catch (error) {
        without.push(`${server}: ${apiSaid(error)}`);
      }
    }
    if (without.length > 0) throw new Error(`the new server token has not reached ${without.join('; ')}`);
  }

  private api(cluster: Cluster, instanceId: string): ServerTokenApi {
    const target = { clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers: [instanceId] };
    return new ServerTokenApi(this.apis, target);
  }

  private async token(ref: string | null): Promise<string> {
    const token = ref === null ? undefined : await this.secrets.get(ref);
    if (token === undefined) throw new Error('the cluster’s server token is not in the secret store');
    return token;
  }
}

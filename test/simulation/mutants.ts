import { applyDiff, sectionHash, type agentV1 } from '#proto';
import { safeRules, type LeaseRules } from '../../agent/src/lease/lease.js';
import type { WgChange, WireGuardDriver } from '../../agent/src/wireguard/driver.js';
import type { AgentIdentity, AgentObserver } from '../../libs/agent-gateway/src/ports.js';
import { SessionHub } from '../../libs/agent-gateway/src/session/hub.js';
import type { SdwanModel } from '../../libs/sdwan/src/application/sdwan-model.js';
import type { SdwanObserver } from '../../libs/sdwan/src/application/agent-observer.js';

/** Faults that the simulation must find; each changes one thing of an otherwise healthy system. */
export type Mutant =
  | 'lease_from_arrival'
  | 'promise_not_persisted'
  | 'removed_before_added'
  | 'delta_without_base'
  | 'last_update_dropped'
  | 'witnesses_ignored'
  | 'token_not_checked'
  | 'devices_told_early'
  | 'devices_not_waited_for'
  | 'words_undated';

export const leaseRules = (mutant: Mutant | undefined): LeaseRules =>
  mutant === 'lease_from_arrival' ? { leaseEnd: (_sentAt, ttlMs, confirmedAt) => confirmedAt + ttlMs } : safeRules;

/** For `removed_before_added`: what has to be taken away first, as a list of whole peers. */
export const takenFirst = async (driver: WireGuardDriver, name: string, change: WgChange): Promise<WgChange> => {
  const gained = new Set(change.peers.flatMap((peer) => peer.add ?? []));
  const state = await driver.read(name);
  const losers = (state?.peers ?? []).filter((peer) => peer.allowedIps.some((prefix) => gained.has(prefix)));
  return {
    peers: losers.map(({ publicKey, allowedIps }) => ({
      publicKey,
      replace: true,
      allowedIps: allowedIps.filter((prefix) => !gained.has(prefix)),
    })),
  };
};

/** An agent that checks neither the base of a delta nor its hash: as if every delta were the right one. */
export class Credulous {
  private readonly sections = new Map<string, { generation: bigint; items: Map<string, Uint8Array> }>();

  twist(response: agentV1.SyncResponse): agentV1.SyncResponse {
    const { message } = response;
    if (message?.$case === 'snapshot')
      for (const { name, generation, items } of message.value.sections)
        this.sections.set(name, { generation, items: new Map(Object.entries(items)) });
    if (message?.$case !== 'delta') return response;
    const delta = message.value;
    const have = this.sections.get(delta.section) ?? { generation: 0n, items: new Map<string, Uint8Array>() };
    const items = applyDiff(have.items, { put: new Map(Object.entries(delta.put)), remove: delta.remove });
    this.sections.set(delta.section, { generation: delta.generation, items });
    const value = { ...delta, baseGeneration: have.generation, hash: sectionHash(items) };
    return { message: { $case: 'delta', value } };
  }
}

/** A platform that takes every witness for one that hears the holder no more. */
export const deafToWitnesses = (observer: SdwanObserver): AgentObserver =>
  Object.assign(Object.create(observer) as SdwanObserver, {
    onVotePromise: (agent: AgentIdentity, promise: agentV1.VotePromise) =>
      observer.onVotePromise(agent, { ...promise, holderHeardMsAgo: 60_000n }),
  });

/** A gateway that forgets an update that came while another one was on its way. */
export class ForgetfulHub extends SessionHub {
  constructor(
    deps: ConstructorParameters<typeof SessionHub>[0],
    private readonly busy: (instanceId: string) => boolean,
  ) {
    super(deps);
  }

  override refresh(instanceId: string, changedAtMs: number): void {
    if (!this.busy(instanceId)) super.refresh(instanceId, changedAtMs);
  }
}

/** A platform that knows of no device when it moves a VIP, so that nobody lingers for them. */
export const withoutDevices = (model: SdwanModel): SdwanModel =>
  Object.assign(Object.create(model) as SdwanModel, {
    virtualIp: (vipId: string) => {
      const known = model.virtualIp(vipId);
      if (known === undefined) return undefined;
      const peers = new Map([...known.network.peers].filter(([, peer]) => peer.instanceId !== null));
      return { ...known, network: { ...known.network, peers } };
    },
  });

/** As a platform of before said it: not how far it had read its log. */
export const undated = (message: agentV1.SyncResponse): agentV1.SyncResponse => {
  const { message: said } = message;
  if (said?.$case !== 'vip' && said?.$case !== 'vipPrepare') return message;
  const body = { ...(JSON.parse(said.value.body.toString('utf8')) as object), read_to: undefined };
  return { message: { ...said, value: { ...said.value, body: Buffer.from(JSON.stringify(body)) } } };
};

import { isoTime, refusal, RefusedError, sleep } from '#kernel';
import type { ToolRegistrar } from '#tools';
import { RotatePeerKey } from '../application/commands.js';
import type { MutableNetwork } from '../application/model-fold.js';
import { sdwanPeers } from '../projections/peers.js';
import { decideRotation } from '../domain/peer/key-rotation.js';
import type { PeerView } from '../domain/wireguard-compiler/model.js';
import { devicesOf, holdersOf } from '../domain/wireguard-compiler/rotation-plan.js';
import { findNetwork, findPeer } from './find.js';
import * as tools from './key-definitions.js';
import type { SdwanToolServices } from './services.js';
import { rotationView } from './views.js';

const POLL_MS = 50;

export const registerKeyTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, failover, rotator, clock, timers } = services;
  const now = (id: string): { network: MutableNetwork; peer: PeerView } => {
    const network = failover.model.networkFor(id);
    const peer = network?.peers.get(id);
    if (network === undefined || peer === undefined)
      throw new RefusedError(refusal(404, 'peer_not_found', 'the peer was detached', { field: 'peer_id' }));
    return { network, peer };
  };
  const told = (id: string, state: 'planned' | 'rotated' | 'running') => {
    const { network, peer } = now(id);
    const holders = holdersOf(network, peer);
    return {
      peer_id: id,
      state,
      public_key: peer.publicKey ?? '',
      key_since: isoTime(peer.keys.sinceMs),
      rotation: rotationView(peer, network, rotator),
      held_by: holders.filter((holder) => !rotator.isAbsent(network, holder)).map(({ peerId }) => peerId),
      not_waited_for: holders.filter((holder) => rotator.isAbsent(network, holder)).map(({ peerId }) => peerId),
      devices: devicesOf(network, peer).map(({ name }) => name),
    };
  };

  registrar.add(tools.rotatePeerKey, async (input, call) => {
    const within =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const { id } = await findPeer(readModels, call.accountId, input.peer_id, within);
    await failover.caughtUp();
    const { network, peer } = now(id);
    if (input.dry_run) {
      const { publicKey, kind, keys } = peer;
      const ids = { peer_id: id as `sdwan_peer-${string}`, network_id: network.networkId as `sdwan_network-${string}` };
      const wanted = { kind: 'request_rotation', reason: 'operator' } as const;
      const decision = decideRotation(wanted, { publicKey, ...keys }, kind, ids, { links: {} });
      if (decision.kind === 'reject') throw new RefusedError(decision.refusal);
      return told(id, 'planned');
    }
    await call.run(RotatePeerKey, { peer_id: id, reason: 'operator' });
    await failover.caughtUp();
    const end = clock.monotonicMs() + input.wait_seconds * 1_000;
    while (now(id).peer.keys.rotation !== null && clock.monotonicMs() < end) await sleep(timers, POLL_MS);
    await call.settle(sdwanPeers);
    return told(id, now(id).peer.keys.rotation === null ? 'rotated' : 'running');
  });
};

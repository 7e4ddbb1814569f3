import type { Transactor } from '#processing';
import { claimLedgerDecider, type ClaimLedgerState } from '../domain/claim-ledger/decide.js';
import { mustCidr } from '../domain/ip.js';
import { portLedgerDecider } from '../domain/port-ledger/decide.js';
import type { PeerView } from '../domain/wireguard-compiler/model.js';
import type { FailoverService } from './failover/failover-service.js';
import { ledgerStreamOf, portStreamOf, type Writes } from './writes.js';

type PeerId = `sdwan_peer-${string}`;
type NetworkId = `sdwan_network-${string}`;

/**
 * Peers of a log from before there were ledgers have keys, ports and pod ranges that stand in none. Before somebody else claims
 * one, those are written down: the first peer that has it keeps it. Peers that have any claim are none of these.
 */
export const adoptKeysAndRanges = async (
  writes: Writes,
  transactor: Transactor,
  service: FailoverService,
  networkId: NetworkId,
): Promise<void> => {
  await service.caughtUp();
  const peers = [...(service.model.networks.get(networkId)?.peers.values() ?? [])];
  const stream = ledgerStreamOf(networkId);
  const ledger = (await transactor.read(stream, claimLedgerDecider))?.state ?? claimLedgerDecider.initial;
  const old = peers.filter((peer) => ledger.owners.has(peer.peerId)).flatMap((peer) => unclaimed(peer, ledger));
  for (const { name, command } of old)
    await writes.attempt(name, stream, claimLedgerDecider, { ...command, networkId } as never);
};

const unclaimed = (peer: PeerView, ledger: ClaimLedgerState) => {
  const peerId = peer.peerId as PeerId;
  const ranges = [...ledger.ranges].filter(([, owner]) => owner === peerId).map(([range]) => range);
  const missing = peer.podCidrs.filter((cidr) => !ranges.some((range) => range.includes(':') === cidr.includes(':')));
  const hasKey = peer.publicKey === null || [...ledger.keys.values()].includes(peerId);
  return [
    ...(hasKey
      ? []
      : [{ name: `old key ${peerId}`, command: { kind: 'claim_key', peerId, publicKey: peer.publicKey } as const }]),
    ...missing.map((cidr) => ({
      name: `old range ${peerId} ${cidr}`,
      command: { kind: 'claim_range', peerId, range: mustCidr(cidr), from: null } as const,
    })),
  ];
};

/** The same for the UDP ports of an instance. */
export const adoptPorts = async (
  writes: Writes,
  transactor: Transactor,
  service: FailoverService,
  instanceId: string,
): Promise<void> => {
  await service.caughtUp();
  const { model } = service;
  const stream = portStreamOf(instanceId);
  const ports = (await transactor.read(stream, portLedgerDecider))?.state ?? portLedgerDecider.initial;
  for (const id of model.peersOfInstance.get(instanceId) ?? []) {
    const peer = model.peer(id);
    if (peer === undefined || ports.has(id)) continue;
    const ids = { instanceId: instanceId as `instance-${string}`, peerId: id as PeerId };
    await writes.attempt(`old port ${id}`, stream, portLedgerDecider, {
      kind: 'claim',
      ...ids,
      wanted: peer.listenPort,
    });
  }
};

import { z } from 'zod';
import type { agentV1 } from '#proto';
import { compileBgp, planBgp } from '../domain/ibgp/compile.js';
import { isIbgp } from '../domain/ibgp/sessions.js';
import type { NetworkView } from '../domain/wireguard-compiler/model.js';

const MAX_LEARNED = 100;

export const routingShape = z.object({
  reflectors: z
    .array(z.string())
    .describe('Peer ids; none up to ten nodes, where everybody has a session with everybody'),
  nodes: z.array(
    z.object({
      peer_id: z.string(),
      name: z.string(),
      role: z.enum(['peer', 'client', 'reflector']),
      daemon: z
        .string()
        .nullable()
        .describe('Name and version; null when none runs, or nothing was heard from the node yet'),
      error: z.string().nullable().describe('Why its routes are the static ones that the platform compiles'),
      sessions: z.array(
        z.object({
          peer_id: z.string(),
          name: z.string(),
          state: z
            .string()
            .describe('As the daemon says: Established is up; unknown when the node has said nothing of it'),
          bfd: z.string().nullable(),
          prefixes: z.number().int().describe('How many the other side announces'),
        }),
      ),
      learned: z.array(
        z.object({
          prefix: z.string(),
          peer_id: z.string(),
          epoch: z.number().int().nullable().describe('Of a virtual IP'),
          withdrawn: z.boolean().describe('Its owner is not heard of any more, and packets to it are not sent'),
        }),
      ),
      learned_count: z.number().int().describe(`Of more than ${MAX_LEARNED}, that many are listed`),
    }),
  ),
});

/** Sessions and learned prefixes by node: what should be, with what the nodes said. Null in other modes. */
export const routingView = (
  network: NetworkView,
  reportOf: (peerId: string) => agentV1.Routing | undefined,
): z.infer<typeof routingShape> | null => {
  if (!isIbgp(network)) return null;
  const plan = planBgp(network);
  const nameOf = (peerId: string) => network.peers.get(peerId)?.name ?? peerId;
  return {
    reflectors: plan.reflectors.map((peer) => peer.peerId),
    nodes: [...network.peers.values()].flatMap((peer) => {
      const item = compileBgp(network, peer, () => plan);
      if (item === undefined) return [];
      const report = reportOf(peer.peerId);
      const said = new Map(report?.sessions.map((session) => [session.peerId, session]));
      return [
        {
          peer_id: peer.peerId,
          name: peer.name,
          role: item.role,
          daemon: report?.daemon || null,
          error: report?.error || null,
          sessions: item.neighbors.map(({ peer_id }) => ({
            peer_id,
            name: nameOf(peer_id),
            state: said.get(peer_id)?.state ?? 'unknown',
            bfd: said.get(peer_id)?.bfd || null,
            prefixes: said.get(peer_id)?.prefixes ?? 0,
          })),
          learned: (report?.learned ?? []).slice(0, MAX_LEARNED).map((learned) => ({
            prefix: learned.prefix,
            peer_id: learned.peerId,
            epoch: learned.epoch === 0n ? null : Number(learned.epoch),
            withdrawn: learned.withdrawn,
          })),
          learned_count: report?.learned.length ?? 0,
        },
      ];
    }),
  };
};

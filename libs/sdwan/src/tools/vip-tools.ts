import { refusal, RefusedError } from '#kernel';
import type { ToolRegistrar } from '#tools';
import {
  AllocateVirtualIp,
  FailoverVirtualIp,
  ReleaseVirtualIp,
  ReserveVirtualIp,
  SetVirtualIpCandidates,
} from '../application/commands.js';
import type { Member } from '../domain/virtual-ip/state.js';
import { clusterReferences } from '../projections/cluster-references.js';
import { sdwanVirtualIps } from '../projections/virtual-ips.js';
import { documentOf, findInstance, findNetwork, findPeer, findVirtualIp, pageOf } from './find.js';
import type { SdwanToolServices } from './services.js';
import * as tools from './vip-definitions.js';
import { movesView, virtualIpView } from './views.js';

const shower = (services: SdwanToolServices) => async (id: string) => ({
  virtual_ip: virtualIpView(await documentOf(services, sdwanVirtualIps, id)),
});

export const registerVipTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels } = services;
  const show = shower(services);

  registrar.add(tools.createVirtualIp, async (input, call) => {
    const network = await findNetwork(readModels, call.accountId, input.network_id);
    const candidates: Member[] = [];
    for (const wanted of input.candidates) {
      const peer = await findPeer(readModels, call.accountId, wanted, network.id, 'candidates');
      if (peer.instance_id === null)
        throw new RefusedError(
          refusal(422, 'candidate_is_a_device', `${peer.name} is a device; only instances can hold a virtual IP`, {
            field: 'candidates',
          }),
        );
      candidates.push({ instance_id: peer.instance_id, peer_id: peer.id } as Member);
    }
    const payload = { network_id: network.id, name: input.name, purpose: input.purpose, cluster_id: null };
    const { virtual_ip_id } = await call.run(ReserveVirtualIp, payload);
    if (candidates.length > 0) {
      await call.run(SetVirtualIpCandidates, { virtual_ip_id, candidates });
      await call.run(AllocateVirtualIp, { virtual_ip_id, holder: candidates[0]! });
    }
    await call.settle(sdwanVirtualIps);
    return show(virtual_ip_id);
  });
  registrar.add(tools.getVirtualIp, async (input, call) => {
    const doc = await findVirtualIp(readModels, call.accountId, input.virtual_ip_id);
    return { virtual_ip: { ...virtualIpView(doc), moves: movesView(doc) } };
  });
  registrar.add(tools.listVirtualIps, async (input, call) => {
    const network =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const where = { account: call.accountId, ...(network === undefined ? {} : { network_id: network }) };
    const { docs, next_cursor } = await pageOf(
      readModels,
      sdwanVirtualIps,
      where,
      input,
      (doc) => input.include_released || doc.state !== 'released',
    );
    return { virtual_ips: docs.map(virtualIpView), next_cursor };
  });
};

export const registerVipMoveTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels } = services;
  const show = shower(services);

  registrar.add(tools.failoverVirtualIp, async (input, call) => {
    const { id } = await findVirtualIp(readModels, call.accountId, input.virtual_ip_id);
    const target =
      input.target_instance_id === undefined
        ? null
        : (await findInstance(readModels, call.accountId, input.target_instance_id, 'target_instance_id')).id;
    const move = await call.run(FailoverVirtualIp, {
      virtual_ip_id: id,
      target_instance_id: target,
      dry_run: input.dry_run,
    });
    await call.settle(sdwanVirtualIps);
    const { outcome, from_instance_id: from, to_instance_id: to, epoch, duration_ms, detail } = move;
    return { ...(await show(id)), move: { outcome, from, to, epoch, duration_ms, detail } };
  });
  registrar.add(tools.deleteVirtualIp, async (input, call) => {
    const doc = await findVirtualIp(readModels, call.accountId, input.virtual_ip_id);
    const cluster = doc.cluster_id === null ? undefined : await readModels.get(clusterReferences, doc.cluster_id);
    if (cluster !== undefined)
      throw new RefusedError(
        refusal(409, 'virtual_ip_in_use', `${doc.name} is the API endpoint of cluster ${cluster.name}`, {
          field: 'virtual_ip_id',
          hint: 'decommission the cluster (kubernetes_decommission_cluster)',
          candidates: [{ id: cluster.cluster_id, name: cluster.name }],
        }),
      );
    await call.run(ReleaseVirtualIp, { virtual_ip_id: doc.id, reason: 'released by an operator' });
    await call.settle(sdwanVirtualIps);
    return { deleted: true, virtual_ip_id: doc.id };
  });
  registrar.add(tools.listVipAssignments, async (input, call) => {
    const doc = await findVirtualIp(readModels, call.accountId, input.virtual_ip_id);
    return { assignments: doc.assignments.map((assignment) => ({ virtual_ip_id: doc.id, ...assignment })) };
  });
};

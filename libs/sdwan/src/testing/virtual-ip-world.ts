import { agentV1 } from '#proto';
import { OverlayWorld } from './overlay-world.js';

export const RUNTIME = agentV1.Runtime.RUNTIME_K3S_SERVER;

export const setUp = async (...names: string[]) => {
  const world = new OverlayWorld();
  const { network_id, members } = await world.cluster(...names, 'worker');
  const servers = members.slice(0, -1);
  const vip = await world.virtualIp(network_id, servers);
  const state = () => world.model.virtualIp(vip.virtual_ip_id)!.vip;
  const types = async () => (await world.events(vip.virtual_ip_id)).map((e) => e.type).slice(3);
  const [a, b, c] = servers.map((m) => m.instance_id) as [string, string, string];
  return { world, vip, members, servers, worker: members.at(-1)!, network_id, state, types, a, b, c };
};

import { generateKeyPairSync } from 'node:crypto';
import { deterministicUuid, sha256Hex } from '#kernel';
import { START, type NewEvent } from '#event-store';
import { certificateRequest } from '../../agent/src/identity/csr.js';
import { certificatePem, type Identity } from '../../agent/src/identity/identity-store.js';
import { makeTestCa } from '../../agent/src/testing/test-ca.js';
import { CreateAccessGrant, RedeemAccessGrant } from '../../libs/sdwan/src/application/commands.js';
import { OverlayWorld } from '../../libs/sdwan/src/testing/overlay-world.js';

export interface TemplateNode {
  readonly instanceId: string;
  readonly peerId: string;
  readonly address: string;
}

/** A network with its servers, a worker and an allocated VIP, as a log: made once by the real commands. */
export interface Template {
  readonly events: readonly (NewEvent & { readonly stream: string; readonly version: number })[];
  readonly networkId: string;
  readonly vipId: string;
  readonly vipAddress: string;
  /** Candidates first, the worker last. */
  readonly nodes: readonly TemplateNode[];
  readonly identity: Identity;
  /** An operator's device. */
  readonly devicePeerId: string;
}

export const makeTemplate = async (candidates: number): Promise<Template> => {
  const world = new OverlayWorld();
  const names = Array.from({ length: candidates }, (_, i) => `s${i}`);
  const { network_id, members } = await world.cluster(...names, 'worker');
  const { virtual_ip_id } = await world.virtualIp(network_id, members.slice(0, -1));
  const devicePeerId = await addDevice(world, network_id);
  const { events } = await world.platform.store.readAll(START, { limit: 10_000 });
  const network = world.model.networks.get(network_id)!;
  world.service.onModuleDestroy();
  const wanted = /^(instance|sdwan_network|sdwan_peer|virtual_ip)-/;
  return {
    events: events.filter((event) => wanted.test(event.stream)),
    networkId: network_id,
    vipId: virtual_ip_id,
    vipAddress: network.virtualIps.get(virtual_ip_id)!.address,
    nodes: members.map(({ instance_id, peer_id }) => ({
      instanceId: instance_id,
      peerId: peer_id,
      address: network.peers.get(peer_id)!.addressV6,
    })),
    identity: await makeIdentity(),
    devicePeerId,
  };
};

const addDevice = async (world: OverlayWorld, network_id: string): Promise<string> => {
  const grant_id = `access_grant-${deterministicUuid('device')}`;
  const [token_digest, device_token_digest] = [sha256Hex('bootstrap'), sha256Hex('device')];
  const expires_at_ms = world.clock.wallMs() + 60_000;
  await world.ok(CreateAccessGrant, { network_id, grant_id, name: 'laptop', tags: [], token_digest, expires_at_ms });
  const public_key = Buffer.alloc(32, 77).toString('base64');
  const wanted = { grant_id, token_digest, device_token_digest, public_key, device_name: null };
  const { peer_id } = await world.ok(RedeemAccessGrant, wanted);
  return peer_id;
};

const makeIdentity = async (): Promise<Identity> => {
  const ca = await makeTestCa();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const certificate = certificatePem(await ca.client(certificateRequest(privateKey, 'sim'), 'sim', 1_000 * 86_400_000));
  return { instanceId: 'sim', agentAddress: 'sim', keyPem, certificatePem: certificate, caPem: ca.pem };
};

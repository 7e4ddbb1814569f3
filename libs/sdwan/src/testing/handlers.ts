import type { InMemoryPlatform } from '#processing';
import * as commands from '../application/commands.js';
import type { FailoverService } from '../application/failover/failover-service.js';
import * as grants from '../application/grant-handlers.js';
import * as keys from '../application/key-handlers.js';
import * as moves from '../application/move-handlers.js';
import * as networks from '../application/network-handlers.js';
import * as peers from '../application/peer-handlers.js';
import { RecordPeerRouting, RecordPeerRoutingHandler } from '../application/peer-routing-handler.js';
import { AssignPeerPodCidrHandler } from '../application/pod-range-handler.js';
import { UpdatePeerHandler } from '../application/update-peer-handler.js';
import * as vips from '../application/virtual-ip-handlers.js';

/** Every command of the context to its real handler, in place of Nest's CommandBus. */
export const handleSdwanCommands = (platform: InMemoryPlatform, service: () => FailoverService): void => {
  const { transactor, store, readModels } = platform;
  const on = platform.handle;
  on(commands.CreateNetwork, (c) =>
    new networks.CreateNetworkHandler(transactor, store).execute(c as commands.CreateNetwork),
  );
  on(commands.UpdateNetwork, (c) =>
    new networks.UpdateNetworkHandler(transactor, store, readModels).execute(c as commands.UpdateNetwork),
  );
  on(commands.DeleteNetwork, (c) =>
    new networks.DeleteNetworkHandler(transactor, store, readModels).execute(c as commands.DeleteNetwork),
  );
  on(commands.AttachPeer, (c) =>
    new peers.AttachPeerHandler(transactor, store, service()).execute(c as commands.AttachPeer),
  );
  on(commands.AnnouncePeerKey, (c) =>
    new peers.AnnouncePeerKeyHandler(transactor, store, service()).execute(c as commands.AnnouncePeerKey),
  );
  on(commands.UpdatePeer, (c) => new UpdatePeerHandler(transactor, store).execute(c as commands.UpdatePeer));
  on(commands.RotatePeerKey, (c) =>
    new keys.RotatePeerKeyHandler(transactor, store).execute(c as commands.RotatePeerKey),
  );
  on(commands.AnnounceNextPeerKey, (c) =>
    new keys.AnnounceNextPeerKeyHandler(transactor, store).execute(c as commands.AnnounceNextPeerKey),
  );
  on(commands.OrderPeerKeySwitch, (c) =>
    new keys.OrderPeerKeySwitchHandler(transactor, store).execute(c as commands.OrderPeerKeySwitch),
  );
  on(commands.RetirePeerKey, (c) =>
    new keys.RetirePeerKeyHandler(transactor, store).execute(c as commands.RetirePeerKey),
  );
  on(commands.AssignPeerPodCidr, (c) =>
    new AssignPeerPodCidrHandler(transactor, store, service()).execute(c as commands.AssignPeerPodCidr),
  );
  on(commands.ReportPeerEndpoints, (c) =>
    new peers.ReportPeerEndpointsHandler(transactor, store).execute(c as commands.ReportPeerEndpoints),
  );
  on(commands.RecordPeerLiveness, (c) =>
    new peers.RecordPeerLivenessHandler(transactor, store).execute(c as commands.RecordPeerLiveness),
  );
  on(commands.RecordPeerOverdue, (c) =>
    new peers.RecordPeerOverdueHandler(transactor, store, service()).execute(c as commands.RecordPeerOverdue),
  );
  on(RecordPeerRouting, (c) => new RecordPeerRoutingHandler(transactor, store).execute(c as RecordPeerRouting));
  on(commands.ReserveVirtualIp, (c) =>
    new vips.ReserveVirtualIpHandler(transactor, store).execute(c as commands.ReserveVirtualIp),
  );
  on(commands.SetVirtualIpCandidates, (c) =>
    new vips.SetVirtualIpCandidatesHandler(transactor, store).execute(c as commands.SetVirtualIpCandidates),
  );
  on(commands.AllocateVirtualIp, (c) =>
    new vips.AllocateVirtualIpHandler(transactor, store).execute(c as commands.AllocateVirtualIp),
  );
  on(commands.ReleaseVirtualIp, (c) =>
    new vips.ReleaseVirtualIpHandler(transactor, store).execute(c as commands.ReleaseVirtualIp),
  );
  on(commands.CreateAccessGrant, (c) =>
    new grants.CreateAccessGrantHandler(transactor, store).execute(c as commands.CreateAccessGrant),
  );
  on(commands.RedeemAccessGrant, (c) =>
    new grants.RedeemAccessGrantHandler(transactor, store, service()).execute(c as commands.RedeemAccessGrant),
  );
  on(commands.RevokeAccessGrant, (c) =>
    new grants.RevokeAccessGrantHandler(transactor, store).execute(c as commands.RevokeAccessGrant),
  );
  on(commands.DetachPeer, (c) =>
    new moves.DetachPeerHandler(transactor, store, service()).execute(c as commands.DetachPeer),
  );
  on(commands.DetachInstance, (c) =>
    new moves.DetachInstanceHandler(transactor, store).execute(c as commands.DetachInstance),
  );
  on(commands.MoveVirtualIpAway, (c) =>
    new moves.MoveVirtualIpAwayHandler(service()).execute(c as commands.MoveVirtualIpAway),
  );
  on(commands.FailoverVirtualIp, (c) =>
    new moves.FailoverVirtualIpHandler(service()).execute(c as commands.FailoverVirtualIp),
  );
};

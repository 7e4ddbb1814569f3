import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, IDS, refusal, RefusedError, sha256Hex, type Clock, type Ids, failpoint } from '#kernel';
import { EVENT_STORE, type EventStore } from '#event-store';
import { COMMAND_DISPATCHER, TRANSACTOR, Transactor, type CommandDispatcher } from '#processing';
import { accessGrantDecider, goneGrant } from '../domain/access-grant/decide.js';
import { peerDecider } from '../domain/peer/decide.js';
import { RedeemAccessGrant } from './commands.js';
import { DeviceFeed, type DeviceConfig } from './device-feed.js';
import { FailoverService } from './failover/failover-service.js';
import { deviceToken, grantIdOf } from './grant-token.js';

export interface RedeemedDevice {
  readonly peer_id: string;
  readonly network_id: string;
  readonly device_token: string;
  readonly config_path: string;
  readonly config: DeviceConfig;
  /** For `wg-quick`; the private key is the device's own to fill in. */
  readonly wireguard: string;
}

/** What devices may do: turn a bootstrap token into a peer once, and follow that peer's configuration. */
@Injectable()
export class DeviceService {
  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(FailoverService) private readonly failover: FailoverService,
    @Inject(DeviceFeed) private readonly feed: DeviceFeed,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(IDS) private readonly ids: Ids,
  ) {}

  /** Throws RefusedError: 410 for a token that is unknown, used, expired or revoked, 400 for a malformed key. */
  async redeem(token: string, publicKey: string, name: string | undefined): Promise<RedeemedDevice> {
    const grantId = grantIdOf(token);
    const accountId = grantId === undefined ? undefined : await this.accountOf(grantId);
    if (grantId === undefined || accountId === undefined) throw new RefusedError(goneGrant('unknown bootstrap token'));
    const device = deviceToken(token, publicKey);
    const commandId = this.ids.uuid();
    const result = await this.dispatcher.dispatch(
      new RedeemAccessGrant(
        {
          grant_id: grantId,
          token_digest: sha256Hex(token),
          device_token_digest: sha256Hex(device),
          public_key: publicKey,
          device_name: name ?? null,
        },
        {
          commandId,
          correlationId: commandId,
          causationId: commandId,
          accountId,
          actor: { kind: 'system', id: grantId },
          nowMs: this.clock.wallMs(),
        },
      ),
    );
    if (result.kind === 'refused') throw new RefusedError(result.refusal);
    await failpoint('device.redeemed');
    await this.failover.caughtUp();
    const { peer_id, network_id } = result.value;
    const config = this.configOf(peer_id);
    return {
      peer_id,
      network_id,
      device_token: device,
      config_path: `/api/v1/sdwan/devices/${peer_id}/config`,
      config,
      wireguard: wgQuick(config),
    };
  }

  /** Throws RefusedError unless the token is the device's and its grant still stands. */
  async authenticate(peerId: string, bearer: string | undefined): Promise<void> {
    const unknown = () =>
      new RefusedError(refusal(401, 'invalid_device_token', 'the device token is unknown', { field: 'authorization' }));
    if (bearer === undefined || !/^sdwan_peer-[0-9a-f-]{36}$/.test(peerId)) throw unknown();
    const peer = (await this.transactor.read(peerId, peerDecider))?.state;
    const grantId = peer === undefined || peer.status === 'none' ? null : peer.attached.grant_id;
    const grant = grantId === null ? undefined : (await this.transactor.read(grantId, accessGrantDecider))?.state;
    if (grant === undefined || grant.status === 'none' || grant.deviceTokenDigest !== sha256Hex(bearer))
      throw unknown();
    if (grant.status === 'revoked' || (peer !== undefined && peer.status === 'removed')) throw revoked();
    await this.failover.caughtUp();
  }

  /** Throws RefusedError (410) when the device is no longer a peer. */
  configOf(peerId: string): DeviceConfig {
    const config = this.feed.config(peerId);
    if (config === undefined) throw revoked();
    return config;
  }

  onChange(peerId: string, changed: () => void): () => void {
    return this.feed.subscribe(peerId, changed);
  }

  private async accountOf(grantId: string): Promise<string | undefined> {
    for await (const event of this.store.readStream(grantId)) return event.meta.accountId;
    return undefined;
  }
}

const revoked = () =>
  new RefusedError(
    refusal(410, 'device_revoked', 'this device is no longer a peer of the network', {
      hint: 'ask for a new access grant',
    }),
  );

const wgQuick = (config: DeviceConfig): string =>
  [
    '[Interface]',
    'PrivateKey = <fill in: it never leaves this device>',
    `Address = ${config.interface.addresses.join(', ')}`,
    `MTU = ${config.interface.mtu}`,
    ...config.peers.flatMap((peer) => [
      '',
      '[Peer]',
      `PublicKey = ${peer.public_key}`,
      `AllowedIPs = ${peer.allowed_ips.join(', ')}`,
      ...(peer.endpoints.length === 0 ? [] : [`Endpoint = ${peer.endpoints[0]}`]),
      `PersistentKeepalive = ${peer.persistent_keepalive}`,
    ]),
    '',
  ].join('\n');

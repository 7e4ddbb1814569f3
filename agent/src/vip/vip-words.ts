import { errorMessage, type Log } from '#kernel';
import { agentV1, type VipItem } from '#proto';

const { VipAck_Role: Role } = agentV1;

/** What the platform is told of this node's parts. An acknowledgement stands until the next one, and is repeated. */
export class VipWords {
  private readonly acks = new Map<string, agentV1.VipAck>();

  constructor(
    private readonly send: (message: agentV1.SyncRequest) => void,
    private readonly log: Log,
  ) {}

  /** What was acknowledged last. */
  done(vipId: string): agentV1.VipAck | undefined {
    return this.acks.get(vipId);
  }

  /** It is done, and on disk. */
  ack(value: agentV1.VipAck): void {
    this.acks.set(value.vipId, value);
    this.tell(value);
  }

  /** Not an ack: nothing is on disk yet, and it is not repeated. */
  say({ vip_id: vipId, epoch }: VipItem, role: agentV1.VipAck_Role): void {
    this.tell({ vipId, epoch: BigInt(epoch), role, error: '' });
  }

  failed(item: VipItem, problem: unknown): void {
    const error = errorMessage(problem);
    this.log.warn({ vip: item.vip_id, epoch: item.epoch, error }, 'VIP not carried out yet');
    this.tell({ vipId: item.vip_id, epoch: BigInt(item.epoch), role: Role.ROLE_UNSPECIFIED, error });
  }

  repeat(): void {
    for (const value of this.acks.values()) this.tell(value);
  }

  forget(vipId: string): void {
    this.acks.delete(vipId);
  }

  private tell(value: agentV1.VipAck): void {
    this.send({ message: { $case: 'vipAck', value } });
  }
}

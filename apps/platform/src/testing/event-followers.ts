import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemIds, systemRandom } from '#kernel';
import { ADMIN_OPERATOR_ID, createOperatorToken } from '#access';
import { connectGrpc, connectSse } from '#consumers';
import type { eventsV1 } from '#proto';
import { systemContext } from './system-context.js';
import type { TestPlatform } from './test-platform.js';

/** Who follows a platform's events, over either way, and tokens for it. */
export class EventFollowers {
  constructor(
    private readonly drover: () => TestPlatform,
    private readonly account: string,
  ) {}

  adminToken(permissions: string[], expiresAt: string | null = null) {
    return createOperatorToken(
      { transactor: this.drover().platform.foundation.transactor, random: systemRandom },
      { operatorId: ADMIN_OPERATOR_ID, permissions, expiresAt },
      systemContext(this.account),
    );
  }

  sse(query = '', token = this.drover().token, lastEventId?: string) {
    return connectSse(`${this.drover().url}/events${query}`, { token, lastEventId });
  }

  grpc(request: Partial<eventsV1.SubscribeRequest> = {}, token: string | undefined = this.drover().token) {
    const { platform, dataDir } = this.drover();
    const caPem = readFileSync(join(dataDir, 'ca/ca.pem'), 'utf8');
    return connectGrpc({ address: platform.enrollAddress, caPem, ...(token === undefined ? {} : { token }) }, request);
  }

  async createTemplate(token = this.drover().token): Promise<string> {
    const name = `t-${systemIds.uuid().slice(0, 8)}`;
    const { body } = await this.drover().rest('system_create_template', { name }, token);
    return (body.data.template as { id: string }).id;
  }
}

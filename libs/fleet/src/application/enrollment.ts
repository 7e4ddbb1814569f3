import { deterministicUuid, refusal, RefusedError, type InstanceId, type Refusal, failpoint } from '#kernel';
import type { CommandContext, CommandDispatcher } from '#processing';
import { parseJoinToken, type IssuedCertificate } from '#access';
import type { AgentIdentity, EnrollmentHandler } from '#agent-gateway';
import type { agentV1 } from '#proto';
import { instanceDecider } from '../domain/instance/decide.js';
import { judgeToken, type NewCertificate } from '../domain/instance/enrolment.js';
import type { KnownInstance } from '../domain/instance/state.js';
import { EnrollInstance, RecordWiped, RecordWipeStuck, RefuseEnrollment, RenewCertificate } from './commands.js';
import type { InstanceIndex, Standing } from './instance-index.js';
import { reachableAddress } from './join-offer.js';
import type { FleetServices } from './services.js';

const HOUR_MS = 3_600_000;

const newCertificate = (issued: IssuedCertificate): NewCertificate => ({
  serial: issued.serial,
  publicKeyDigest: issued.publicKeyDigest,
  notAfter: issued.notAfter,
  derBase64: Buffer.from(issued.certificateDer).toString('base64'),
});

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

/** Signs certificates for those who may have one, and says on every call whether an agent may still speak. */
export class FleetEnrollment implements EnrollmentHandler {
  constructor(
    private readonly services: FleetServices,
    private readonly dispatcher: CommandDispatcher,
    private readonly index: InstanceIndex,
  ) {}

  async enroll(request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse> {
    const token = parseJoinToken(request.joinToken);
    if (token === undefined) throw new RefusedError(malformedToken());
    const { publicKeyDigest } = await this.services.authority.readCsr(request.csrDer);
    const { instanceId, digest: tokenDigest } = token;
    const found = await this.services.transactor.read(instanceId, instanceDecider);
    const state = found?.state ?? instanceDecider.initial;
    const verdict = judgeToken(state, { tokenDigest, publicKeyDigest, nowMs: this.services.clock.wallMs() });
    if (verdict.kind === 'refused') return this.refuse(instanceId, tokenDigest, state.kind, verdict.refusal);
    if (verdict.kind === 'repeat') return this.answer(instanceId, (state as KnownInstance).certificate!.der);
    const issued = await this.services.authority.issueAgentCertificate(instanceId, request.csrDer);
    const payload = {
      instance_id: instanceId,
      tokenDigest,
      publicKeyDigest,
      certificate: newCertificate(issued),
      agentVersion: request.agentVersion.slice(0, 100),
      hostname: request.hostname.slice(0, 253),
      machineId: request.machineId.slice(0, 128),
    };
    const context = await this.context(instanceId, deterministicUuid('enroll', tokenDigest, publicKeyDigest));
    await failpoint('enrolment.signed');
    const enrolled = await this.dispatcher.dispatch(new EnrollInstance(payload, context));
    await failpoint('enrolment.appended');
    if (enrolled.kind === 'refused') return this.refuse(instanceId, tokenDigest, state.kind, enrolled.refusal);
    return this.answer(instanceId, enrolled.value.certificate.der);
  }

  async renew(
    agent: AgentIdentity,
    request: agentV1.RenewCertificateRequest,
  ): Promise<agentV1.RenewCertificateResponse> {
    const { authority, transactor } = this.services;
    const { publicKeyDigest } = await authority.readCsr(request.csrDer);
    const instanceId = agent.instanceId as InstanceId;
    const found = await transactor.read(instanceId, instanceDecider);
    const current = found?.state.kind === 'known' ? found.state.certificate : null;
    // Asked again with the certificate before: the answer that brought the current one was lost.
    const again = current?.publicKeyDigest === publicKeyDigest && !sameSerial(current.serial, agent.certificateSerial);
    if (current !== null && again && current.der !== '') return this.certificate(current.der);
    const certificate = newCertificate(await authority.issueAgentCertificate(instanceId, request.csrDer));
    const commandId = deterministicUuid('renew', instanceId, agent.certificateSerial, certificate.serial);
    const command = new RenewCertificate(
      { instance_id: instanceId, certificate },
      { ...(await this.context(instanceId, commandId)), accountId: agent.accountId },
    );
    const renewed = await this.dispatcher.dispatch(command);
    if (renewed.kind === 'refused') throw new RefusedError(renewed.refusal);
    // So that the certificate before the last one is void here from now on, not from the feed's next batch on.
    await this.index.read(instanceId);
    return this.certificate(certificate.derBase64);
  }

  async authorize(identity: {
    instanceId: string;
    certificateSerial: string;
  }): ReturnType<EnrollmentHandler['authorize']> {
    const { instanceId, certificateSerial } = identity;
    const fast = judge(this.index.peek(instanceId), certificateSerial);
    const standing = fast === undefined ? this.index.peek(instanceId) : await this.index.read(instanceId);
    const objection = fast === undefined ? undefined : judge(standing, certificateSerial);
    if (objection !== undefined) return { kind: 'refused', ...objection };
    return { kind: 'ok', agent: { instanceId, accountId: standing!.accountId, certificateSerial } };
  }

  /** Heard of whoever had this instance's certificate when it ended, once; cut to what the event may hold. */
  async wiped(
    peer: { instanceId: string; certificateSerial: string },
    report: { readonly removed: readonly string[]; readonly left: readonly string[] },
  ): Promise<void> {
    const instance_id = await this.over(peer);
    const cut = (texts: readonly string[]) => texts.slice(0, 50).map(cutText);
    const payload = { instance_id, removed: cut(report.removed), left: cut(report.left) };
    const context = await this.context(instance_id, deterministicUuid('wiped', instance_id));
    const recorded = await this.dispatcher.dispatch(new RecordWiped(payload, context));
    if (recorded.kind === 'refused') throw new RefusedError(recorded.refusal);
  }

  async wipeStuck(peer: { instanceId: string; certificateSerial: string }, reason: string): Promise<void> {
    const instance_id = await this.over(peer);
    const payload = { instance_id, reason: cutText(reason) };
    const context = await this.context(instance_id, this.services.ids.uuid());
    const recorded = await this.dispatcher.dispatch(new RecordWipeStuck(payload, context));
    if (recorded.kind === 'refused') throw new RefusedError(recorded.refusal);
  }

  private async over(peer: { instanceId: string; certificateSerial: string }): Promise<InstanceId> {
    const standing = await this.index.read(peer.instanceId);
    const isOver = standing !== undefined && standing.phase !== 'live';
    if (isOver && standing.serials.some((known) => sameSerial(known, peer.certificateSerial)))
      return peer.instanceId as InstanceId;
    throw new RefusedError(refusal(403, 'not_over', 'only the agent of an instance that is over says this'));
  }

  async expected(): Promise<readonly AgentIdentity[]> {
    return [...this.index.present()].map(([instanceId, { accountId, serials }]) => ({
      instanceId,
      accountId,
      certificateSerial: serials[0] ?? '',
    }));
  }

  private answer(instanceId: InstanceId, der: string): agentV1.EnrollResponse {
    const { config } = this.services;
    const agentAddress = reachableAddress(config.DROVER_AGENT_ADDR, config);
    return { instanceId, ...this.certificate(der), agentAddress };
  }

  private certificate(der: string) {
    return {
      certificateDer: bytes(der) as Buffer,
      caDer: this.services.authority.caDer().map((ca) => Buffer.from(ca)),
    };
  }

  /** Recorded at most once per token and code; tokens that were never issued count as one token an hour. */
  private async refuse(
    instanceId: InstanceId,
    tokenDigest: string,
    known: 'absent' | 'known',
    why: Refusal,
  ): Promise<never> {
    this.services.log.warn({ instance: instanceId, code: why.code }, 'enrolment refused');
    if (known === 'known') {
      const hour = Math.floor(this.services.clock.wallMs() / HOUR_MS);
      const about = why.code === 'join_token_unknown' ? `hour ${hour}` : tokenDigest;
      const commandId = deterministicUuid('enroll-refused', instanceId, why.code, about);
      const payload = { instance_id: instanceId, code: why.code, reason: why.message };
      await this.dispatcher.dispatch(new RefuseEnrollment(payload, await this.context(instanceId, commandId)));
    }
    throw new RefusedError(why);
  }

  private async context(instanceId: InstanceId, commandId: string): Promise<CommandContext> {
    const standing = this.index.peek(instanceId) ?? (await this.index.read(instanceId));
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: standing?.accountId ?? '',
      actor: { kind: 'agent', id: instanceId },
      nowMs: this.services.clock.wallMs(),
    };
  }
}

/** NUL, and the half of a character that a cut leaves, are in no event: the report would never be taken. */
const cutText = (text: string): string => text.slice(0, 300).replaceAll(/[\0\p{Cs}]/gu, '');

const malformedToken = (): Refusal =>
  refusal(401, 'join_token_malformed', 'this is not a join token', {
    field: 'join_token',
    hint: 'a join token looks like drvj_<uuid>_<secret>; system_create_join_token makes one',
  });

/** Why an agent may not speak; undefined when it may. */
const judge = (
  standing: Standing | undefined,
  serial: string,
): { code: string; message: string; wipe: boolean } | undefined => {
  if (standing === undefined)
    return { code: 'instance_unknown', message: 'this platform does not know you', wipe: false };
  if (standing.phase !== 'live')
    return {
      code: `instance_${standing.phase}`,
      message: `instance ${standing.name} was ${standing.phase}`,
      wipe: true,
    };
  if (standing.revoked)
    // The instance lives, and may be enrolled again: what runs on its machine goes on.
    return { code: 'certificate_revoked', message: `the certificate of ${standing.name} was revoked`, wipe: false };
  if (!standing.serials.some((known) => sameSerial(known, serial)))
    return { code: 'certificate_superseded', message: 'this certificate was replaced by a newer one', wipe: false };
  return undefined;
};

/** TLS libraries print serial numbers in either case, with or without leading zeros. */
const sameSerial = (a: string, b: string): boolean => plainHex(a) === plainHex(b);
const plainHex = (serial: string): string => serial.toLowerCase().replace(/^0+/, '');

import { errorMessage, refusal, failpoint } from '#kernel';
import type { CommandClass } from '#processing';
import { instanceDecider, type InstanceCommand } from '../../domain/instance/decide.js';
import { instanceNotFound } from '../../domain/instance/refusals.js';
import { templateDecider, templateGone } from '../../domain/template/decide.js';
import * as commands from '../commands.js';
import { offerJoin } from '../join-offer.js';
import { syncInstances } from '../sync-modules.js';
import { decision, done, latest, markOf, resultOf, use } from '../use.js';

const onInstance = <P extends { readonly instance_id: string }>(
  command: CommandClass<P, void>,
  toCommand: (payload: P, nowMs: number) => InstanceCommand,
) =>
  decision(
    command,
    instanceDecider,
    (p) => p.instance_id,
    (p, context) => toCommand(p, context.nowMs),
  );

const enroll = use(commands.EnrollInstance, async ({ transactor }, { instance_id: id, ...payload }, context) => {
  const command = { kind: 'enroll', ...payload, nowMs: context.nowMs } as const;
  const enrolled = await transactor.transact(id, instanceDecider, command, context);
  if (enrolled.kind === 'refused') return enrolled;
  const certificate = enrolled.state.kind === 'known' ? enrolled.state.certificate : null;
  if (certificate === null) return { kind: 'refused', refusal: instanceNotFound() };
  return resultOf(enrolled, () => ({ certificate }));
});

const changeTemplate = use(commands.ChangeTemplate, async (services, payload, context) => {
  const { instance_id: id, template_id: templateId } = payload;
  const template = await services.transactor.read(templateId, templateDecider);
  if (template?.state.kind !== 'live')
    return { kind: 'refused', refusal: templateGone(template?.state ?? templateDecider.initial, 'node_template_id') };
  const command = { kind: 'change_template', templateId } as const;
  const changed = await services.transactor.transact(id, instanceDecider, command, context);
  if (changed.kind === 'refused') return changed;
  return done(undefined, latest(markOf(changed), await syncInstances(services, templateId, [id], context)));
});

const runProvisioner = use(commands.RunProvisioner, async (services, payload, context) => {
  const driver = services.drivers.get(payload.driver);
  const found = await services.transactor.read(payload.instance_id, instanceDecider);
  if (found?.state.kind !== 'known' || found.state.phase !== 'provisioning') return done(undefined);
  if (driver === undefined)
    return { kind: 'refused', refusal: refusal(503, 'driver_away', `no provisioning driver ${payload.driver} here`) };
  if (!driver.makesMachines) return done(undefined);
  const offer = await offerJoin(services, payload.instance_id, context);
  if (offer.kind === 'refused') return offer;
  try {
    await failpoint('provision.asking');
    await driver.provision({ id: payload.instance_id, name: found.state.name }, offer.join);
    await failpoint('provision.asked');
    return done(undefined);
  } catch (error) {
    return { kind: 'refused', refusal: refusal(503, 'provisioner_failed', errorMessage(error)) };
  }
});

const releaseMachine = use(commands.ReleaseMachine, async (services, payload) => {
  const driver = services.drivers.get(payload.driver);
  if (driver === undefined)
    return { kind: 'refused', refusal: refusal(503, 'driver_away', `no provisioning driver ${payload.driver} here`) };
  try {
    await driver.terminate({ id: payload.instance_id });
    return done(undefined);
  } catch (error) {
    return { kind: 'refused', refusal: refusal(503, 'provisioner_failed', errorMessage(error)) };
  }
});

/** As long as the machine lives, it can leave what it is a member of; what it cannot leave is cleaned up behind it. */
const terminate = use(commands.TerminateInstance, async ({ transactor, drainAdvice }, payload, context) => {
  const { instance_id: id } = payload;
  const found = await transactor.read(id, instanceDecider);
  const lives = found?.state.kind === 'known' && found.state.phase === 'running' && !found.state.lost;
  const objection = payload.careful === true && lives ? drainAdvice.objection(id) : undefined;
  if (objection !== undefined) return { kind: 'refused', refusal: objection };
  const warnings = lives ? await drainAdvice.leave(id, context) : [];
  await failpoint('terminate.left');
  const ended = resultOf(
    await transactor.transact(id, instanceDecider, { kind: 'terminate' }, context),
    () => undefined,
  );
  return ended.kind === 'done' ? { ...ended, warnings } : ended;
});

/** What it waits for is known only to who holds it up. */
const overdue = use(commands.RecordOverdue, async ({ transactor, drainAdvice }, payload, context) => {
  const { instance_id: id, status, since, bound_ms: boundMs } = payload;
  const refused = status === 'stopping' ? drainAdvice.objection(id) : undefined;
  const waitsFor = refused && [refused.message, refused.hint].filter((text) => text !== undefined).join('; ');
  const command = { kind: 'overdue', status, since, boundMs, ...(waitsFor && { waitsFor }) } as const;
  return resultOf(await transactor.transact(id, instanceDecider, command, context), () => undefined);
});

const sync = use(commands.SyncInstanceModules, async (services, payload, context) =>
  done(undefined, await syncInstances(services, payload.template_id, payload.instance_ids, context)),
);

export const instanceUses = [
  enroll,
  changeTemplate,
  runProvisioner,
  releaseMachine,
  sync,
  terminate,
  onInstance(commands.RecordProvisionFailed, (p) => ({ kind: 'provision_failed', reason: p.reason })),
  onInstance(commands.IssueJoinToken, (p) => ({
    kind: 'issue_token',
    tokenId: p.token_id,
    tokenDigest: p.token_digest,
    expiresAtMs: p.expires_at_ms,
  })),
  onInstance(commands.RefuseEnrollment, (p) => ({ kind: 'refuse_enrollment', code: p.code, reason: p.reason })),
  onInstance(commands.RenewCertificate, (p) => ({ kind: 'renew', certificate: p.certificate })),
  onInstance(commands.RevokeCertificate, (p) => ({ kind: 'revoke', reason: p.reason })),
  onInstance(commands.RecordOnline, (p) => ({ kind: 'online', presence: p.presence })),
  onInstance(commands.RecordLost, (p) => ({ kind: 'lost', silentMs: p.silent_ms })),
  onInstance(commands.RecordReturned, () => ({ kind: 'returned' })),
  onInstance(commands.RecordCloned, (p) => ({ kind: 'cloned', bootIds: p.boot_ids })),
  overdue,
  onInstance(commands.RecordModuleOverdue, (p) => ({
    kind: 'module_overdue',
    assignmentId: p.assignment_id,
    status: p.status,
    since: p.since,
    boundMs: p.bound_ms,
  })),
  onInstance(commands.RecordModuleRecovered, (p) => ({
    kind: 'module_recovered',
    assignmentId: p.assignment_id,
    failures: p.failures,
    since: p.since,
    until: p.until,
  })),
  onInstance(commands.RequestDrain, (p) => ({ kind: 'request_drain', timeoutSeconds: p.timeout_seconds })),
  onInstance(commands.MarkDrained, (p) => ({
    kind: 'mark_drained',
    evictedPods: p.evicted_pods,
    warnings: p.warnings,
  })),
  onInstance(commands.Uncordon, () => ({ kind: 'uncordon' })),
  onInstance(commands.RequestTermination, (p) => ({
    kind: 'request_termination',
    timeoutSeconds: p.timeout_seconds,
  })),
  onInstance(commands.ForgetInstance, () => ({ kind: 'forget' })),
  onInstance(commands.RecordWiped, (p) => ({ kind: 'wiped', removed: p.removed, left: p.left })),
  onInstance(commands.RecordWipeStuck, (p) => ({ kind: 'wipe_stuck', reason: p.reason })),
  onInstance(commands.RecordInstalling, (p) => ({ kind: 'installing', moduleName: p.module_name })),
  onInstance(commands.RecordRuntimeStop, (p) => ({ kind: 'runtime_stop', moduleName: p.module_name, stuck: p.stuck })),
  onInstance(commands.RecordRuntimeFailed, (p) => ({
    kind: 'runtime_failed',
    moduleName: p.module_name,
    reason: p.reason,
    anew: p.anew,
  })),
] as const;

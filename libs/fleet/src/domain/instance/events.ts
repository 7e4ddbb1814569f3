import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const instance_id = idSchema('instance');
const time = z.iso.datetime();

export const InstanceCreated = defineEvent(
  'system.instance.created',
  1,
  z.object({
    instance_id,
    node_id: idSchema('node'),
    /** The node's name; what the machine and its Kubernetes node are called. */
    name: z.string(),
    template_id: idSchema('template'),
    driver: z.string(),
    cni_plugin: z.enum(['flannel', 'ovn_kubernetes']).nullable(),
  }),
);
export const InstanceProvisionRequested = defineEvent(
  'system.instance.provision_requested',
  1,
  z.object({ instance_id, driver: z.string() }),
);
export const InstanceProvisionFailed = defineEvent(
  'system.instance.provision_failed',
  1,
  z.object({ instance_id, driver: z.string(), reason: z.string() }),
  { severity: 'high' },
);
export const InstanceJoinTokenIssued = defineEvent(
  'system.instance.join_token_issued',
  1,
  z.object({ instance_id, token_id: z.string(), /** Hex sha256. */ token_digest: z.string(), expires_at: time }),
);
/** The join token is consumed by this event: one append decides it, so racing redeemers get one certificate. */
export const InstanceEnrolled = defineEvent(
  'system.instance.enrolled',
  1,
  z.object({
    instance_id,
    token_id: z.string(),
    certificate_serial: z.string(),
    public_key_digest: z.string(),
    not_after: time,
    agent_version: z.string(),
    hostname: z.string(),
    machine_id: z.string(),
    /** The certificate itself (public, < 2 KB): a repeat whose answer was lost gets the very same one. */
    certificate_der_b64: z.string().optional(),
  }),
);
export const InstanceEnrollmentRefused = defineEvent(
  'system.instance.enrollment_refused',
  1,
  z.object({ instance_id, code: z.string(), reason: z.string() }),
  { severity: 'warning' },
);
export const InstanceCertificateRenewed = defineEvent(
  'system.instance.certificate_renewed',
  1,
  z.object({
    instance_id,
    certificate_serial: z.string(),
    public_key_digest: z.string(),
    not_after: time,
    certificate_der_b64: z.string().optional(),
  }),
);
export const InstanceCertificateRevoked = defineEvent(
  'system.instance.certificate_revoked',
  1,
  z.object({ instance_id, reason: z.string() }),
  { severity: 'warning' },
);
const presence = {
  instance_id,
  boot_id: z.string(),
  agent_version: z.string(),
  architecture: z.string(),
  hostname: z.string(),
  memory_bytes: z.number().int(),
  underlay_addresses: z.array(z.string()),
  capabilities: z.record(z.string(), z.string()),
};
export const InstanceOnline = defineEvent('system.instance.online', 1, z.object(presence));
export const InstanceLost = defineEvent(
  'system.instance.lost',
  1,
  z.object({ instance_id, silent_ms: z.number().int() }),
  { severity: 'high' },
);
export const InstanceReturned = defineEvent('system.instance.returned', 1, z.object(presence));
export const InstanceTemplateChanged = defineEvent(
  'system.instance.template_changed',
  1,
  z.object({ instance_id, template_id: idSchema('template') }),
);
export const InstanceDrainRequested = defineEvent(
  'system.instance.drain_requested',
  1,
  z.object({ instance_id, timeout_seconds: z.number().int() }),
);
export const InstanceDrained = defineEvent(
  'system.instance.drained',
  1,
  z.object({ instance_id, evicted_pods: z.number().int(), warnings: z.array(z.string()) }),
);
export const InstanceUncordoned = defineEvent('system.instance.uncordoned', 1, z.object({ instance_id }));
/** It ends for good as soon as it is drained. Uncordoned before, it stays. */
export const InstanceTerminateRequested = defineEvent(
  'system.instance.terminate_requested',
  1,
  z.object({ instance_id, timeout_seconds: z.number().int() }),
);
export const InstanceTerminated = defineEvent(
  'system.instance.terminated',
  1,
  z.object({ instance_id, node_id: idSchema('node') }),
  { ends: 'instance_id' },
);
export const InstanceForgotten = defineEvent(
  'system.instance.forgotten',
  1,
  z.object({ instance_id, node_id: idSchema('node') }),
  { severity: 'warning', ends: 'instance_id' },
);

const inWords = z.array(z.string().max(300)).max(50);
/** The agent's last word after the instance ended: what it took away on the machine, and what is still there with the reason. */
export const InstanceWiped = defineEvent(
  'system.instance.wiped',
  1,
  z.object({ instance_id, removed: inWords, left: inWords }),
);

/** Its agent cannot take away what it brought, and goes on trying. Once for each of its first reasons; `wiped` ends it. */
export const InstanceWipeStuck = defineEvent(
  'system.instance.wipe_stuck',
  1,
  z.object({ instance_id, reason: z.string().max(300), next_action: z.string() }),
  { severity: 'high' },
);

/** Two machines answered with this instance's identity (a cloned disk): both are quarantined until one joins anew. */
export const InstanceCloned = defineEvent(
  'system.instance.cloned',
  1,
  z.object({ instance_id, boot_ids: z.array(z.string()) }),
  { severity: 'critical' },
);
/** A state lasted longer than it should. Once per stay; leaving the state clears it. */
export const InstanceOverdue = defineEvent(
  'system.instance.overdue',
  1,
  z.object({ instance_id, state: z.string(), since: time, bound_seconds: z.number().int(), next_action: z.string() }),
  { severity: 'high' },
);

/** A module reached an instance through its template (or node). The kind depends on the module's family. */
const assigned = z.object({
  instance_id,
  template_id: idSchema('template'),
  assignment_id: z.uuid(),
  module_name: z.string(),
  config: z.record(z.string(), z.unknown()),
  priority: z.number().int(),
  /** Length of the template's stream when this was decided: an older view of the template never undoes a newer one. */
  template_version: z.number().int().optional(),
});
export const K3sModuleAssigned = defineEvent('system.k3s.module.assigned', 1, assigned);
export const DockerModuleAssigned = defineEvent('system.docker.module.assigned', 1, assigned);
export const ModuleAssigned = defineEvent('system.module.assigned', 1, assigned);
export const ModuleRemoved = defineEvent(
  'system.module.removed',
  1,
  z.object({
    instance_id,
    assignment_id: z.uuid(),
    module_name: z.string(),
    reason: z.string(),
    template_version: z.number().int().optional(),
  }),
);
const installing = z.object({ instance_id, assignment_id: z.uuid().nullable(), module_name: z.string() });
export const K3sRuntimeInstalling = defineEvent('system.k3s.runtime.installing', 1, installing);
export const DockerRuntimeInstalling = defineEvent('system.docker.runtime.installing', 1, installing);
export const RuntimeFailed = defineEvent(
  'system.module.failed',
  1,
  z.object({ instance_id, module_name: z.string(), reason: z.string() }),
  { severity: 'high' },
);

/** A runtime was unassigned or decommissioned and is still there. Once for each of its first reasons; `stopped` ends it. */
export const ModuleStopStuck = defineEvent(
  'system.module.stop_stuck',
  1,
  z.object({ instance_id, module_name: z.string(), reason: z.string().max(500), next_action: z.string() }),
  { severity: 'high' },
);
/** Only of one that was told as stuck: what ends at once is told by its own handshake. */
export const ModuleStopped = defineEvent(
  'system.module.stopped',
  1,
  z.object({ instance_id, module_name: z.string() }),
);

/** A module has not come to run in its time. Once per stay; what it does next clears it. */
export const ModuleOverdue = defineEvent(
  'system.module.overdue',
  1,
  z.object({
    instance_id,
    assignment_id: z.uuid(),
    module_name: z.string(),
    state: z.string(),
    since: time,
    bound_seconds: z.number().int(),
    reason: z.string(),
    next_action: z.string(),
  }),
  { severity: 'high' },
);

/**
 * A module that was told as failed or overdue has come to run. Once for each such trouble: its runtime's own context tells that
 * a runtime is ready, and this tells on the instance's stream that what stands there is over.
 */
export const ModuleRecovered = defineEvent(
  'system.module.recovered',
  1,
  z.object({
    instance_id,
    assignment_id: z.uuid(),
    module_name: z.string(),
    /** What was told of it last: `failed`, or the state that lasted too long. */
    from: z.string(),
    to: z.string(),
    /** What was the matter, as it was told last. */
    reason: z.string(),
    /** Of its first failure, or of the stay that lasted too long. */
    since: time,
    lasted_seconds: z.number().int(),
  }),
);

export const instanceEvents = [
  InstanceCreated,
  InstanceProvisionRequested,
  InstanceProvisionFailed,
  InstanceJoinTokenIssued,
  InstanceEnrolled,
  InstanceEnrollmentRefused,
  InstanceCertificateRenewed,
  InstanceCertificateRevoked,
  InstanceOnline,
  InstanceLost,
  InstanceReturned,
  InstanceTemplateChanged,
  InstanceDrainRequested,
  InstanceDrained,
  InstanceUncordoned,
  InstanceTerminateRequested,
  InstanceTerminated,
  InstanceForgotten,
  InstanceWiped,
  InstanceWipeStuck,
  InstanceCloned,
  InstanceOverdue,
  K3sModuleAssigned,
  DockerModuleAssigned,
  ModuleAssigned,
  ModuleRemoved,
  K3sRuntimeInstalling,
  DockerRuntimeInstalling,
  RuntimeFailed,
  ModuleStopStuck,
  ModuleStopped,
  ModuleOverdue,
  ModuleRecovered,
] as const;

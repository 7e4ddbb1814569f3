import { Command } from '#processing';
import type { InstanceId, NodeId, TemplateId } from '#kernel';
import type { NewCertificate, Redemption } from '../domain/instance/enrolment.js';
import type { ModuleSource } from '../domain/module/events.js';
import type { VersionState } from '../domain/module/state.js';
import type { Certificate, InstanceStatus, Presence } from '../domain/instance/state.js';

type Json = Readonly<Record<string, unknown>>;
interface OnInstance {
  readonly instance_id: InstanceId;
}
interface OnTemplate {
  readonly template_id: TemplateId;
}

export class CreateTemplate extends Command<
  { readonly name: string; readonly description?: string; readonly driver?: string | null },
  { readonly template_id: TemplateId }
> {
  static readonly type = 'fleet.create_template';
}
export class UpdateTemplate extends Command<
  OnTemplate & { readonly name?: string; readonly description?: string; readonly driver?: string | null },
  void
> {
  static readonly type = 'fleet.update_template';
}
export class DeleteTemplate extends Command<OnTemplate, void> {
  static readonly type = 'fleet.delete_template';
}
export class AssignModule extends Command<
  OnTemplate & {
    readonly module_name: string;
    readonly config?: Json;
    readonly priority?: number;
    readonly enabled?: boolean;
  },
  { readonly assignment_id: string }
> {
  static readonly type = 'fleet.assign_module';
}
export class UnassignModule extends Command<OnTemplate & { readonly module_name: string }, void> {
  static readonly type = 'fleet.unassign_module';
}
/** Takes an assignment out of force without forgetting it; assigning the module again resumes it. */
export class SuspendAssignment extends Command<
  OnTemplate & { readonly assignment_id: string; readonly reason: string },
  void
> {
  static readonly type = 'fleet.suspend_assignment';
}

interface OnArtifact {
  readonly artifact: string;
  readonly version: string;
}
export class CreateModuleVersion extends Command<
  OnArtifact & { readonly source: ModuleSource; readonly sha256: string | null; readonly notes: string },
  void
> {
  static readonly type = 'fleet.create_module_version';
}
export class PromoteModuleVersion extends Command<OnArtifact & { readonly to: VersionState | null }, void> {
  static readonly type = 'fleet.promote_module_version';
}
export class RetireModuleVersion extends Command<OnArtifact & { readonly reason: string }, void> {
  static readonly type = 'fleet.retire_module_version';
}

export class CreateNode extends Command<
  OnTemplate & { readonly name: string; readonly description?: string },
  { readonly node_id: NodeId }
> {
  static readonly type = 'fleet.create_node';
}
export class DeleteNode extends Command<{ readonly node_id: NodeId }, void> {
  static readonly type = 'fleet.delete_node';
}

export class ProvisionInstance extends Command<
  {
    readonly node_id: NodeId;
    /** The template's, else `existing`, when not given. */
    readonly driver?: string;
    readonly cni_plugin?: 'flannel' | 'ovn_kubernetes' | null;
  },
  { readonly instance_id: InstanceId; readonly driver: string }
> {
  static readonly type = 'fleet.provision_instance';
}
/** Hands a machine's provisioning to its driver; sent by the provisioning process manager. */
export class RunProvisioner extends Command<OnInstance & { readonly driver: string; readonly attempt: number }, void> {
  static readonly type = 'fleet.run_provisioner';
}
export class RecordProvisionFailed extends Command<OnInstance & { readonly reason: string }, void> {
  static readonly type = 'fleet.record_provision_failed';
}
/** Tells the driver that the machine is no longer needed. */
export class ReleaseMachine extends Command<OnInstance & { readonly driver: string }, void> {
  static readonly type = 'fleet.release_machine';
}
/** The secret is never in a payload: only its digest, made by who minted it. */
export class IssueJoinToken extends Command<
  OnInstance & { readonly token_id: string; readonly token_digest: string; readonly expires_at_ms: number },
  void
> {
  static readonly type = 'fleet.issue_join_token';
}
export class EnrollInstance extends Command<
  OnInstance &
    Omit<Redemption, 'nowMs'> & {
      readonly certificate: NewCertificate;
      readonly agentVersion: string;
      readonly hostname: string;
      readonly machineId: string;
    },
  { readonly certificate: Certificate }
> {
  static readonly type = 'fleet.enroll_instance';
}
export class RefuseEnrollment extends Command<OnInstance & { readonly code: string; readonly reason: string }, void> {
  static readonly type = 'fleet.refuse_enrollment';
}
export class RenewCertificate extends Command<OnInstance & { readonly certificate: NewCertificate }, void> {
  static readonly type = 'fleet.renew_certificate';
}
export class RevokeCertificate extends Command<OnInstance & { readonly reason: string }, void> {
  static readonly type = 'fleet.revoke_certificate';
}

export class RecordOnline extends Command<OnInstance & { readonly presence: Presence }, void> {
  static readonly type = 'fleet.record_online';
}
export class RecordLost extends Command<OnInstance & { readonly silent_ms: number }, void> {
  static readonly type = 'fleet.record_lost';
}
export class RecordReturned extends Command<OnInstance, void> {
  static readonly type = 'fleet.record_returned';
}

export class RecordCloned extends Command<OnInstance & { readonly boot_ids: readonly string[] }, void> {
  static readonly type = 'fleet.record_cloned';
}
/** Sent by the deadlines' process manager when a state lasted longer than it should. */
export class RecordOverdue extends Command<
  OnInstance & { readonly status: InstanceStatus; readonly since: string; readonly bound_ms: number },
  void
> {
  static readonly type = 'fleet.record_overdue';
}

/** The same of one of its modules. */
export class RecordModuleOverdue extends Command<
  OnInstance & {
    readonly assignment_id: string;
    readonly status: 'assigned' | 'installing' | 'failed';
    readonly since: string;
    readonly bound_ms: number;
  },
  void
> {
  static readonly type = 'fleet.record_module_overdue';
}
/** And that it runs after all. */
export class RecordModuleRecovered extends Command<
  OnInstance & {
    readonly assignment_id: string;
    readonly failures: number;
    readonly since: string;
    readonly until: string;
  },
  void
> {
  static readonly type = 'fleet.record_module_recovered';
}

export class ChangeTemplate extends Command<OnInstance & OnTemplate, void> {
  static readonly type = 'fleet.change_template';
}
export class RequestDrain extends Command<OnInstance & { readonly timeout_seconds: number }, void> {
  static readonly type = 'fleet.request_drain';
}
export class MarkDrained extends Command<
  OnInstance & { readonly evicted_pods: number; readonly warnings: readonly string[] },
  void
> {
  static readonly type = 'fleet.mark_drained';
}
export class Uncordon extends Command<OnInstance, void> {
  static readonly type = 'fleet.uncordon';
}
/** The end of an instance after its drain. */
export class RequestTermination extends Command<OnInstance & { readonly timeout_seconds: number }, void> {
  static readonly type = 'fleet.request_termination';
}
/** The end of an instance now, drained or not. */
export class TerminateInstance extends Command<
  OnInstance & {
    /** Asked for a while ago: refused while a context objects to its end now. */
    readonly careful?: boolean;
  },
  void
> {
  static readonly type = 'fleet.terminate_instance';
}
export class ForgetInstance extends Command<OnInstance, void> {
  static readonly type = 'fleet.forget_instance';
}

/** Said by its agent, after the end. */
export class RecordWiped extends Command<
  OnInstance & { readonly removed: readonly string[]; readonly left: readonly string[] },
  void
> {
  static readonly type = 'fleet.record_wiped';
}

export class RecordWipeStuck extends Command<OnInstance & { readonly reason: string }, void> {
  static readonly type = 'fleet.record_wipe_stuck';
}

/** Makes the modules of these instances what the template says now. Level-based and safe to send at any time. */
export class SyncInstanceModules extends Command<OnTemplate & { readonly instance_ids: readonly InstanceId[] }, void> {
  static readonly type = 'fleet.sync_instance_modules';
}
export class RecordInstalling extends Command<OnInstance & { readonly module_name: string }, void> {
  static readonly type = 'fleet.record_installing';
}
/** What is to go: why it cannot be stopped, or null when it is. */
export class RecordRuntimeStop extends Command<
  OnInstance & { readonly module_name: string; readonly stuck: string | null },
  void
> {
  static readonly type = 'fleet.record_runtime_stop';
}
export class RecordRuntimeFailed extends Command<
  OnInstance & {
    readonly module_name: string;
    readonly reason: string;
    /** It was well since the last failure that was told. */
    readonly anew?: boolean;
  },
  void
> {
  static readonly type = 'fleet.record_runtime_failed';
}

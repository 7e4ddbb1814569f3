import { assertNever, nothing, reject, type Decider, type Decision } from '#kernel';
import * as enrolment from './enrolment.js';
import { evolveInstance } from './evolve.js';
import * as modules from './modules.js';
import * as presence from './presence.js';
import * as provisioning from './provisioning.js';
import { instanceGone, instanceNotFound } from './refusals.js';
import * as stopping from './stopping.js';
import * as termination from './termination.js';
import { noInstance, type InstanceEvent, type InstanceState, type KnownInstance } from './state.js';

/** What is decided over the whole life of the stream, also before it exists and after the instance is gone. */
type LifeCommand =
  | provisioning.Provision
  | provisioning.ProvisionFailed
  | provisioning.Terminate
  | termination.RecordWiped
  | termination.RecordWipeStuck
  | enrolment.Enroll
  | enrolment.RefuseEnrollment;

type LiveCommand =
  | provisioning.ChangeTemplate
  | enrolment.IssueToken
  | enrolment.Renew
  | enrolment.Revoke
  | presence.RecordOnline
  | presence.RequestDrain
  | presence.Uncordon
  | termination.RequestTermination;

/** Reports and repairs: late ones about an instance that is gone are answered with nothing, not with a refusal. */
type Report =
  | presence.RecordLost
  | presence.RecordReturned
  | presence.RecordCloned
  | presence.RecordOverdue
  | presence.MarkDrained
  | modules.SyncModules
  | modules.RecordInstalling
  | modules.RecordFailed
  | modules.RecordModuleOverdue
  | modules.RecordModuleRecovered
  | stopping.RecordStop;

export type InstanceCommand = LifeCommand | LiveCommand | Report;

const onReport = (state: KnownInstance, command: Report): Decision<InstanceEvent> => {
  switch (command.kind) {
    case 'lost':
      return presence.lost(state, command);
    case 'returned':
      return presence.returned(state);
    case 'cloned':
      return presence.cloned(state, command);
    case 'overdue':
      return presence.overdue(state, command);
    case 'module_overdue':
      return modules.moduleOverdue(state, command);
    case 'module_recovered':
      return modules.moduleRecovered(state, command);
    case 'mark_drained':
      return presence.markDrained(state, command);
    case 'sync_modules':
      return modules.syncModules(state, command);
    case 'installing':
      return modules.installing(state, command);
    case 'runtime_failed':
      return modules.runtimeFailed(state, command);
    case 'runtime_stop':
      return stopping.runtimeStop(state, command);
    default:
      return assertNever(command);
  }
};

const onLive = (state: KnownInstance, command: LiveCommand): Decision<InstanceEvent> => {
  switch (command.kind) {
    case 'change_template':
      return provisioning.changeTemplate(state, command);
    case 'issue_token':
      return enrolment.issueToken(state, command);
    case 'renew':
      return enrolment.renew(state, command);
    case 'revoke':
      return enrolment.revoke(state, command);
    case 'online':
      return presence.online(state, command);
    case 'request_drain':
      return presence.requestDrain(state, command);
    case 'uncordon':
      return presence.uncordon(state);
    case 'request_termination':
      return termination.requestTermination(state, command);
    default:
      return assertNever(command);
  }
};

const decide = (command: InstanceCommand, state: InstanceState): Decision<InstanceEvent> => {
  switch (command.kind) {
    case 'provision':
      return provisioning.provision(state, command);
    case 'provision_failed':
      return provisioning.provisionFailed(state, command);
    case 'terminate':
    case 'forget':
      return provisioning.terminate(state, command);
    case 'wiped':
      return termination.wiped(state, command);
    case 'wipe_stuck':
      return termination.wipeStuck(state, command);
    case 'enroll':
      return enrolment.enroll(state, command);
    case 'refuse_enrollment':
      return enrolment.refuseEnrollment(state, command);
    case 'lost':
    case 'returned':
    case 'cloned':
    case 'overdue':
    case 'module_overdue':
    case 'module_recovered':
    case 'mark_drained':
    case 'sync_modules':
    case 'installing':
    case 'runtime_failed':
    case 'runtime_stop':
      if (state.kind === 'absent') return reject(instanceNotFound());
      return instanceGone(state) === undefined ? onReport(state, command) : nothing('instance_gone');
    default: {
      const gone = instanceGone(state);
      if (gone !== undefined || state.kind === 'absent') return reject(gone ?? instanceNotFound());
      return onLive(state, command);
    }
  }
};

export const instanceDecider: Decider<InstanceState, InstanceCommand, InstanceEvent> = {
  initial: noInstance,
  evolve: evolveInstance,
  decide,
};

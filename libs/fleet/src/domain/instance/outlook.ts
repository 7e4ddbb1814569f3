import { assertNever } from '#kernel';
import type { InstanceStatus } from './state.js';

const MINUTE = 60_000;

/** How long an instance may stay in a state before an operator should hear of it; null where it may stay for ever. */
export const boundMs = (status: InstanceStatus, drainTimeoutSeconds: number): number | null => {
  switch (status) {
    case 'pending':
      return MINUTE;
    case 'provisioning':
      return 15 * MINUTE;
    case 'starting':
      return 5 * MINUTE;
    case 'draining':
      return drainTimeoutSeconds * 1_000;
    case 'stopping':
      return 5 * MINUTE;
    case 'lost':
      return 15 * MINUTE;
    case 'running':
    case 'drained':
    case 'error':
    case 'terminated':
    case 'forgotten':
      return null;
    default:
      return assertNever(status);
  }
};

/** What happens next, and by whom. Null in the states that nothing follows by itself. */
export const nextAction = (status: InstanceStatus, driver: string): string | null => {
  switch (status) {
    case 'pending':
      return `the platform asks the driver ${driver} for a machine`;
    case 'provisioning':
      return driver === 'existing'
        ? 'run the join command on the machine; system_create_join_token makes a new one'
        : `the driver ${driver} makes the machine, and its agent enrols`;
    case 'starting':
      return 'the agent connects with its certificate';
    case 'running':
    case 'terminated':
      return null;
    case 'draining':
      return 'virtual IPs move away, then pods are evicted';
    case 'stopping':
      return 'it leaves its cluster and is terminated then; system_terminate_instance with force does not wait';
    case 'drained':
      return 'system_uncordon_instance puts it back to work; system_terminate_instance ends it';
    case 'lost':
      return (
        'on the machine, if it is up: systemctl status drover-agent (stopped or masked: systemctl unmask, then start), ' +
        'journalctl -u drover-agent; it returns by itself then. system_forget_instance gives the machine up'
      );
    case 'error':
      return 'system_create_join_token lets the machine join by hand; system_terminate_instance makes room for a new one';
    case 'forgotten':
      return 'if its agent returns, it is refused and told to wipe';
    default:
      return assertNever(status);
  }
};

export const WIPE_STUCK_NEXT =
  'on the machine: journalctl -u drover-agent; its agent tries again by itself, every 5 minutes at least';

export type ModuleStage = 'assigned' | 'installing' | 'running' | 'degraded' | 'failed' | 'removed';

/** How long a module may be in a state of its own; null where it may stay. */
export const moduleBoundMs = (stage: ModuleStage): number | null => {
  if (stage === 'assigned') return 5 * MINUTE;
  if (stage === 'installing') return 10 * MINUTE;
  return stage === 'degraded' || stage === 'failed' ? 15 * MINUTE : null;
};

export const moduleNext = (stage: ModuleStage): string | null => {
  switch (stage) {
    case 'assigned':
      return 'the agent takes it up once the instance is online and has an SDWAN peer';
    case 'installing':
      return 'the agent installs and starts it';
    case 'degraded':
      return 'put right what its error names; the agent goes on looking, and it runs again by itself then';
    case 'failed':
      return 'put right what its error names; the agent goes on trying by itself';
    default:
      return null;
  }
};

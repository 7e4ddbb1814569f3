import type { InstanceId } from '#kernel';

/** All that a machine needs in order to join, as told to whoever makes the machine. */
export interface JoinOffer {
  readonly token: string;
  readonly expiresAt: string;
  /** host:port of the enrolment service. */
  readonly enrollAddress: string;
  readonly caPem: string;
  /** `sha256:` and the hex digest of the CA certificate's DER. */
  readonly caPin: string;
  /** For a shell; the token is in the environment, so that it is not in the process list. */
  readonly command: string;
}

export interface ProvisioningDriver {
  readonly name: string;
  /** True when the driver makes the machine; false when an operator runs the join command on one that exists. */
  readonly makesMachines: boolean;
  /** Safe to repeat for one instance. Rejects when it did not work; the caller tries again. */
  provision(instance: { readonly id: InstanceId; readonly name: string }, join: JoinOffer): Promise<void>;
  terminate(instance: { readonly id: InstanceId }): Promise<void>;
}

/** Optional port: drivers in place of the configured ones, for a fork of the platform that must make no machines. */
export const PROVISIONING_DRIVERS = Symbol('ProvisioningDrivers');

/** The machine is there already: the operator runs the join command on it. */
export const existingMachines: ProvisioningDriver = {
  name: 'existing',
  makesMachines: false,
  provision: async () => undefined,
  terminate: async () => undefined,
};

import { nearest, refusal, type Config, type Refusal } from '#kernel';
import { existingMachines, type ProvisioningDriver } from './driver.js';
import { externalDriver } from './external-driver.js';

/** The drivers that this platform has: `existing`, and the external one that the configuration names. */
export const configuredDrivers = (
  config: Pick<Config, 'DROVER_PROVISIONER'>,
): ReadonlyMap<string, ProvisioningDriver> => {
  const drivers = [existingMachines];
  if (config.DROVER_PROVISIONER !== undefined) {
    const at = config.DROVER_PROVISIONER.indexOf('=');
    drivers.push(externalDriver(config.DROVER_PROVISIONER.slice(0, at), config.DROVER_PROVISIONER.slice(at + 1)));
  }
  return new Map(drivers.map((driver) => [driver.name, driver]));
};

export const unknownDriver = (name: string, drivers: ReadonlyMap<string, ProvisioningDriver>): Refusal => {
  const known = [...drivers.keys()];
  const near = nearest(name, known);
  return refusal(422, 'unknown_driver', `there is no provisioning driver ${JSON.stringify(name)}`, {
    field: 'driver',
    hint: near === undefined ? `known drivers: ${known.join(', ')}` : `did you mean ${near}?`,
    candidates: known.map((id) => ({ id })),
  });
};

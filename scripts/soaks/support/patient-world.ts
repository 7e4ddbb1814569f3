import type { World } from '../../../apps/lab/src/demo/stage.js';
import { labWorld } from '../../../apps/lab/src/demo/world.js';
import type { Lab } from '../../../apps/lab/src/lab.js';
import type { PatientOperator } from './patient-operator.js';

const MOST_GRANTS = 20;

/** An operator whose device never heard back makes a new grant: the first one may be used up. */
export const patientWorld = (lab: Lab, operator: PatientOperator): World => {
  const world = labWorld(lab);
  return {
    ...world,
    joinWorkstation: async (grant) => {
      for (let bootstrap = grant, tries = 1; ; tries++) {
        try {
          return await world.joinWorkstation(bootstrap);
        } catch (cause) {
          if (tries === MOST_GRANTS) throw cause;
          const { networks } = await operator.call<{ networks: { id: string }[] }>('system_sdwan_list_networks');
          const made = await operator.call<{ bootstrap_url: string; token: string }>(
            'system_sdwan_create_access_grant',
            { network_id: networks[0]!.id, name: `workstation-${tries + 1}` },
          );
          bootstrap = { bootstrapUrl: made.bootstrap_url, token: made.token };
        }
      }
    },
  };
};

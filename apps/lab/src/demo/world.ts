import { writeFileSync } from 'node:fs';
import type { Lab } from '../lab.js';
import { PingProbe } from '../probes/ping.js';
import type { World } from './story.js';

const WORKSTATION = 'workstation';

/** The story's surroundings, on the machines of a lab. */
export const labWorld = (lab: Lab): World => ({
  driver: 'lab',
  joinWorkstation: async ({ bootstrapUrl }) => {
    await lab.joinWorkstation(bootstrapUrl);
  },
  onWorkstation: async (argv) => {
    const { code, stdout, stderr } = await lab.exec(WORKSTATION, argv);
    if (code !== 0) throw new Error(`${argv.join(' ')}: exit ${code}: ${(stderr || stdout).trim()}`);
    return stdout;
  },
  saveKubeconfig: async (text) => writeFileSync(lab.kubeconfig, text, { mode: 0o600 }),
  probe: async (address) => PingProbe.start(lab, WORKSTATION, address),
});

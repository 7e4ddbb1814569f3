import { writeFileSync } from 'node:fs';
import type { Lab } from '../lab.js';
import { ApiProbe } from '../probes/api.js';
import { PingProbe } from '../probes/ping.js';
import type { World } from './stage.js';

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
  overlay: lab.network.encrypted ? 'WireGuard' : 'plain routes (no WireGuard here, NOT ENCRYPTED)',
  probe: async (address) => {
    const api = await ApiProbe.start(lab, WORKSTATION, lab.root, lab.kubeconfig);
    const ping = PingProbe.start(lab, WORKSTATION, address);
    return {
      stop: async () => {
        const [{ longestGapMs: pingMs, lost, sent }, seen] = [await ping.stop(), await api.stop()];
        return { pingMs, lost, sent, ...seen };
      },
    };
  },
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledCopy } from '../../../platform/src/testing/compiled-copy.js';
import { PaperFleet } from '../../../platform/src/testing/paper-fleet.js';
import { startTestPlatform } from '../../../platform/src/testing/test-platform.js';
import { CliProcesses } from './cli-process.js';

const SERVERS = ['k3s-server-1', 'k3s-server-2', 'k3s-server-3'];

/** The fleet of the demo on paper, and the CLI in processes of its own: what needs a machine is tested elsewhere. */
export const paperDemo = async (env: Readonly<Record<string, string>>) => {
  const { root } = compiledCopy();
  const drover = await startTestPlatform();
  const home = mkdtempSync(join(tmpdir(), 'drover-cli-'));
  const cli = new CliProcesses(root, { HOME: home, DROVER_URL: drover.url, DROVER_TOKEN: drover.token, ...env });
  const fleet = new PaperFleet(drover);
  await fleet.ok('system_sdwan_create_network', { name: 'k3s-prod-net' });
  for (const name of ['k3s-servers', 'k3s-workers']) await fleet.ok('system_create_template', { name });
  const ids = [];
  for (const name of SERVERS) ids.push(await fleet.machine(name, 'k3s-servers', 'k3s-prod-net'));
  for (const hostname of ['awaited', 'ended']) {
    await fleet.ok('system_create_node', { hostname, node_template_id: 'k3s-workers' });
    await fleet.ok('system_provision_instance', { node_id: hostname });
  }
  await fleet.ok('system_assign_module_to_template', { template_id: 'k3s-servers', module_name: 'k3s-server' });
  await fleet.cluster(ids);
  const stop = async () => {
    cli.killAll();
    await drover.stop();
    rmSync(home, { recursive: true, force: true });
  };
  return { drover, home, cli, fleet, stop };
};
export type PaperDemo = Awaited<ReturnType<typeof paperDemo>>;

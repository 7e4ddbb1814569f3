import type { TestPlatform } from '../../testing/test-platform.js';

/** What the examples of the definitions speak of, as far as it can be made without machines. */
export const makeExamplesWorld = async ({ rest }: TestPlatform): Promise<void> => {
  const ok = async (tool: string, args: object) => {
    const { body } = await rest(tool, args);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data as { instance: { id: string } };
  };
  for (const name of ['k3s-server', 'k3s-worker', 'unused', 'k3s-servers-of-tests'])
    await ok('system_create_template', { name });
  await ok('system_assign_module_to_template', { template_id: 'k3s-worker', module_name: 'docker-engine' });
  for (const name of ['k3s-prod-net', 'tenant-b', 'unused-net']) await ok('system_sdwan_create_network', { name });
  for (const hostname of ['k3s-server-1', 'gw-1', 'spare'])
    await ok('system_create_node', { hostname, node_template_id: 'k3s-worker' });
  await ok('system_provision_instance', { node_id: 'k3s-server-1' });
  const { instance } = await ok('system_provision_instance', { node_id: 'gw-1' });
  await ok('system_sdwan_attach_peer', { network_id: 'k3s-prod-net', node_instance_id: instance.id });
  await ok('system_sdwan_create_virtual_ip', { network_id: 'tenant-b', name: 'k3s_api_endpoint' });
  await ok('system_sdwan_create_access_grant', { network_id: 'tenant-b', name: 'workstation' });
  await ok('system_sdwan_create_firewall_rule', { network_id: 'tenant-b', name: 'closed', action: 'drop' });
  await ok('system_create_webhook', { name: 'chat', url: 'https://hooks.example.com/drover' });
};

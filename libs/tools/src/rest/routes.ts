export type Method = 'get' | 'post' | 'patch' | 'delete';

/** A resource route: which tool answers it, and which of its arguments stand in the path. */
export interface ResourceRoute {
  readonly method: Method;
  /** Below /api/v1, with `{argument}` in it. */
  readonly path: string;
  readonly tool: string;
}

const ROUTES: readonly (readonly [method: Method, path: string, tool: string])[] = [
  ['get', 'templates', 'system_list_templates'],
  ['post', 'templates', 'system_create_template'],
  ['get', 'templates/{template_id}', 'system_get_template'],
  ['patch', 'templates/{template_id}', 'system_update_template'],
  ['delete', 'templates/{template_id}', 'system_delete_template'],
  ['post', 'templates/{template_id}/modules', 'system_assign_module_to_template'],
  ['delete', 'templates/{template_id}/modules/{module_name}', 'system_unassign_module_from_template'],
  ['get', 'modules', 'system_list_modules'],
  ['get', 'nodes', 'system_list_nodes'],
  ['post', 'nodes', 'system_create_node'],
  ['get', 'nodes/{node_id}', 'system_get_node'],
  ['delete', 'nodes/{node_id}', 'system_delete_node'],
  ['post', 'nodes/{node_id}/provision', 'system_provision_instance'],
  ['get', 'instances', 'system_list_instances'],
  ['get', 'instances/{id}', 'system_get_instance'],
  ['patch', 'instances/{id}', 'system_update_instance'],
  ['delete', 'instances/{id}', 'system_terminate_instance'],
  ['post', 'instances/{id}/drain', 'system_drain_instance'],
  ['post', 'instances/{id}/uncordon', 'system_uncordon_instance'],
  ['post', 'instances/{id}/forget', 'system_forget_instance'],
  ['post', 'instances/{id}/join-tokens', 'system_create_join_token'],
  ['get', 'networks', 'system_sdwan_list_networks'],
  ['post', 'networks', 'system_sdwan_create_network'],
  ['get', 'networks/{network_id}', 'system_sdwan_get_network'],
  ['patch', 'networks/{network_id}', 'system_sdwan_update_network'],
  ['delete', 'networks/{network_id}', 'system_sdwan_delete_network'],
  ['get', 'networks/{network_id}/topology', 'system_sdwan_get_topology'],
  ['get', 'networks/{network_id}/routing', 'system_sdwan_get_routing_summary'],
  ['post', 'networks/{network_id}/peers', 'system_sdwan_attach_peer'],
  ['get', 'peers', 'system_sdwan_list_peers'],
  ['get', 'peers/{peer_id}', 'system_sdwan_get_peer'],
  ['get', 'peers/{peer_id}/config', 'system_sdwan_preview_peer_config'],
  ['delete', 'peers/{peer_id}', 'system_sdwan_detach_peer'],
  ['get', 'virtual-ips', 'system_sdwan_list_virtual_ips'],
  ['post', 'virtual-ips', 'system_sdwan_create_virtual_ip'],
  ['get', 'virtual-ips/{virtual_ip_id}', 'system_sdwan_get_virtual_ip'],
  ['post', 'virtual-ips/{virtual_ip_id}/failover', 'system_sdwan_failover_virtual_ip'],
  ['get', 'virtual-ips/{virtual_ip_id}/assignments', 'system_sdwan_list_vip_assignments'],
  ['delete', 'virtual-ips/{virtual_ip_id}', 'system_sdwan_delete_virtual_ip'],
  ['get', 'access-grants', 'system_sdwan_list_access_grants'],
  ['post', 'access-grants', 'system_sdwan_create_access_grant'],
  ['delete', 'access-grants/{grant_id}', 'system_sdwan_revoke_access_grant'],
  ['get', 'devices', 'system_sdwan_list_user_devices'],
  ['post', 'devices', 'system_sdwan_issue_user_device'],
  ['delete', 'devices/{device_id}', 'system_sdwan_revoke_user_device'],
  ['get', 'firewall-rules', 'system_sdwan_list_firewall_rules'],
  ['post', 'firewall-rules', 'system_sdwan_create_firewall_rule'],
  ['patch', 'firewall-rules/{firewall_rule_id}', 'system_sdwan_update_firewall_rule'],
  ['delete', 'firewall-rules/{firewall_rule_id}', 'system_sdwan_delete_firewall_rule'],
  ['get', 'clusters', 'kubernetes_list_clusters'],
  ['get', 'clusters/{cluster_id}', 'kubernetes_get_cluster'],
  ['get', 'clusters/{cluster_id}/nodes', 'kubernetes_list_nodes'],
  ['get', 'clusters/{cluster_id}/kubeconfig', 'kubernetes_get_kubeconfig'],
  ['delete', 'clusters/{cluster_id}', 'kubernetes_decommission_cluster'],
  ['get', 'docker-hosts', 'system_list_managed_docker_hosts'],
  ['get', 'webhooks', 'system_list_webhooks'],
  ['post', 'webhooks', 'system_create_webhook'],
  ['get', 'webhooks/{webhook_id}', 'system_get_webhook'],
  ['delete', 'webhooks/{webhook_id}', 'system_delete_webhook'],
  ['get', 'events', 'recent_events'],
  ['get', 'operations/{operation_id}', 'get_operation'],
  ['get', 'approvals', 'list_approvals'],
  ['get', 'approvals/{approval_id}', 'get_approval'],
  ['post', 'approvals/{approval_id}/approve', 'approve_operation'],
  ['post', 'approvals/{approval_id}/reject', 'reject_operation'],
  ['post', 'approvals/{approval_id}/take', 'take_approved_answer'],
];

export const RESOURCE_ROUTES: readonly ResourceRoute[] = ROUTES.map(([method, path, tool]) => ({ method, path, tool }));

/** Names of the arguments in a path. */
export const pathArguments = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);

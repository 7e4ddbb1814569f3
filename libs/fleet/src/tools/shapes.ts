import { z } from 'zod';
import { resourceStatus } from '#tools';

const json = z.record(z.string(), z.unknown());
const time = z.string().describe('ISO 8601');

export const assignmentShape = z.object({
  id: z.string(),
  module_name: z.string(),
  config: json,
  priority: z.number(),
  enabled: z.boolean(),
  state: z.enum(['active', 'disabled', 'suspended']),
  suspended_reason: z.string().nullable(),
  ...resourceStatus,
});

export const templateShape = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  driver: z.string().nullable(),
  module_assignments: z.array(assignmentShape),
  node_count: z.number().int(),
  created_at: time,
  updated_at: time,
  ...resourceStatus,
});

export const nodeShape = z.object({
  id: z.string(),
  name: z.string(),
  hostname: z.string(),
  template_id: z.string(),
  description: z.string(),
  instance_id: z.string().nullable().describe('The instance that lives now'),
  instance_count: z.number().int(),
  created_at: time,
  ...resourceStatus,
});

export const instanceShape = z.object({
  id: z.string(),
  name: z.string(),
  node_id: z.string(),
  template_id: z.string(),
  driver: z.string(),
  state: z.string(),
  status: z.string().describe('The same as state'),
  state_since: time,
  deadline_at: time.nullable(),
  last_error: z.string().nullable(),
  next_action: z.string().nullable(),
  drain: z.enum(['none', 'draining', 'drained']),
  enrolled: z.boolean(),
  cni_plugin: z.enum(['flannel', 'ovn_kubernetes']).nullable(),
  hostname: z.string().nullable(),
  architecture: z.string().nullable(),
  agent_version: z.string().nullable(),
  memory_bytes: z.number().nullable(),
  underlay_addresses: z.array(z.string()),
  capabilities: z.record(z.string(), z.string()),
  certificate_not_after: time.nullable(),
  modules: z.array(
    z.object({
      assignment_id: z.string(),
      module_name: z.string(),
      status: z.enum(['assigned', 'installing', 'running', 'degraded', 'failed', 'removed']),
      error: z.string().nullable(),
      config: json,
      since: time,
      deadline_at: time.nullable().describe('Until when it should have left this state'),
      next_action: z.string().nullable(),
    }),
  ),
  created_at: time,
  updated_at: time,
  ...resourceStatus,
});

export const joinShape = z.object({
  command: z.string().describe('Run it on the machine, as root; the token in it works once'),
  token: z.string(),
  expires_at: time,
  enroll_address: z.string(),
  ca_pin: z.string(),
});

export const nextCursor = z.string().nullable().describe('Give it as cursor to get the next page; null at the end');

export const page = {
  limit: z.number().int().min(1).max(500).default(50),
  cursor: z.string().optional().describe('next_cursor of the page before'),
};

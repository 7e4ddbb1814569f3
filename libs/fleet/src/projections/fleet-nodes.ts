import { defineProjection } from '#processing';
import { fleetEvent } from './read-event.js';

export interface NodeDoc {
  readonly id: string;
  readonly account: string;
  readonly name: string;
  readonly template_id: string;
  readonly description: string;
  readonly created_at: string;
  /** Every incarnation so far, oldest first. */
  readonly instance_ids: readonly string[];
  /** The one that is neither terminated nor forgotten. */
  readonly live_instance_id: string | null;
}

export const fleetNodes = defineProjection<NodeDoc>({
  name: 'fleet_nodes',
  version: 1,
  keys: (recorded) => {
    const event = fleetEvent(recorded);
    switch (event.type) {
      case 'system.node.created':
      case 'system.node.deleted':
      case 'system.instance.created':
      case 'system.instance.terminated':
      case 'system.instance.forgotten':
        return [event.data.node_id];
      default:
        return [];
    }
  },
  fold: (doc, recorded) => {
    const event = fleetEvent(recorded);
    if (event.type === 'system.node.created') {
      const { node_id, name, template_id, description } = event.data;
      const { accountId: account, occurredAt: created_at } = recorded.meta;
      return {
        id: node_id,
        account,
        name,
        template_id,
        description,
        created_at,
        instance_ids: [],
        live_instance_id: null,
      };
    }
    if (doc === undefined || event.type === 'system.node.deleted') return undefined;
    switch (event.type) {
      case 'system.instance.created': {
        const id = event.data.instance_id;
        return { ...doc, instance_ids: [...doc.instance_ids, id], live_instance_id: id };
      }
      case 'system.instance.terminated':
      case 'system.instance.forgotten':
        return doc.live_instance_id === event.data.instance_id ? { ...doc, live_instance_id: null } : doc;
      default:
        return doc;
    }
  },
  columns: (doc) => ({ account: doc.account, name: doc.name, template_id: doc.template_id }),
  columnTypes: { name: 'text', template_id: 'text' },
});

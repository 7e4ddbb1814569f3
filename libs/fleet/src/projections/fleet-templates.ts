import { categoryOf } from '#kernel';
import { defineProjection } from '#processing';
import { evolveTemplate, type TemplateEvent, type TemplateState } from '../domain/template/state.js';

export interface TemplateDoc {
  readonly id: string;
  readonly account: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly template: Extract<TemplateState, { kind: 'live' }>;
}

/** Templates with their module assignments. How many nodes use one is counted when asked. */
export const fleetTemplates = defineProjection<TemplateDoc>({
  name: 'fleet_templates',
  version: 1,
  keys: (event) => (categoryOf(event.stream) === 'template' ? [event.stream] : []),
  fold: (doc, event, key) => {
    const fact = { type: event.type, data: event.data } as unknown as TemplateEvent;
    const template = evolveTemplate(doc?.template ?? { kind: 'absent' }, fact);
    if (template.kind !== 'live') return undefined;
    const at = event.meta.occurredAt;
    return {
      id: key,
      account: doc?.account ?? event.meta.accountId,
      created_at: doc?.created_at ?? at,
      updated_at: at,
      template,
    };
  },
  columns: (doc) => ({ account: doc.account, name: doc.template.name }),
  columnTypes: { name: 'text' },
});

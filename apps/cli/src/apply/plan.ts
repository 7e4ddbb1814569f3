import { isDeepStrictEqual } from 'node:util';
import { CliError } from '../errors.js';
import type { Live, Thing } from './live.js';
import type { Wanted } from './load.js';
import type { FleetDocument, Kind } from './schema.js';

export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** One call that brings the fleet nearer to the file. */
export interface Step {
  readonly key: string;
  readonly kind: Kind;
  readonly change: 'create' | 'update' | 'delete';
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly changes: readonly FieldChange[];
  readonly at: string;
  /** Where the bootstrap URL of a grant goes. */
  readonly secretTo?: string;
}

/** A field that cannot be changed where it is: somebody has to decide, so nothing at all is done. */
const fixed = (wanted: Wanted, { field, before, after }: FieldChange): CliError => {
  const why = `field ${field} of ${wanted.key} is ${JSON.stringify(before)} and cannot become ${JSON.stringify(after)} once it is made`;
  return new CliError(wanted.line([field]), why, `write ${JSON.stringify(before)}, or delete it and apply again`, 6);
};

/** Fields that the file gives and that are otherwise; what it leaves out stays. */
const differing = (wanted: Readonly<Record<string, unknown>>, live: Thing, fields: readonly string[]): FieldChange[] =>
  fields.flatMap((field) => {
    const after = wanted[field];
    const before = live[field] ?? null;
    if (after === undefined || isDeepStrictEqual(before, after)) return [];
    const bothLists = Array.isArray(before) && Array.isArray(after);
    if (bothLists && isDeepStrictEqual(before.toSorted(), after.toSorted())) return [];
    return [{ field, before, after }];
  });

const given = (doc: Readonly<Record<string, unknown>>, leftOut: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(doc).filter(([name, value]) => !leftOut.includes(name) && value !== undefined && value !== null),
  );

const afterOf = (changes: readonly FieldChange[]) =>
  Object.fromEntries(changes.map(({ field, after }) => [field, after]));

interface Simple {
  readonly create: string;
  readonly update?: string;
  readonly id: string;
  readonly changeable: readonly string[];
  readonly fixed: readonly string[];
  readonly leftOut: readonly string[];
}

const SIMPLE: Readonly<Record<'Network' | 'Template' | 'Peer' | 'FirewallRule' | 'Grant', Simple>> = {
  Network: {
    create: 'system_sdwan_create_network',
    update: 'system_sdwan_update_network',
    id: 'network_id',
    changeable: ['routing_mode', 'pod_subnet_prefix'],
    fixed: [],
    leftOut: ['kind'],
  },
  Template: {
    create: 'system_create_template',
    update: 'system_update_template',
    id: 'template_id',
    changeable: ['description', 'driver'],
    fixed: [],
    leftOut: ['kind', 'modules'],
  },
  Peer: {
    create: 'system_sdwan_attach_peer',
    update: 'system_sdwan_update_peer',
    id: 'peer_id',
    changeable: ['endpoint_host', 'endpoint_port', 'lan_subnets', 'lan_masquerade'],
    fixed: ['publicly_reachable', 'listen_port', 'tags'],
    leftOut: ['kind', 'network', 'node'],
  },
  FirewallRule: {
    create: 'system_sdwan_create_firewall_rule',
    update: 'system_sdwan_update_firewall_rule',
    id: 'firewall_rule_id',
    changeable: [
      'action',
      'priority',
      'direction',
      'protocol',
      'src_selector',
      'dst_selector',
      'port_range',
      'enabled',
    ],
    fixed: [],
    leftOut: ['kind', 'network'],
  },
  Grant: {
    create: 'system_sdwan_create_access_grant',
    id: 'grant_id',
    changeable: [],
    fixed: ['tags'],
    leftOut: ['kind', 'network', 'write_url_to'],
  },
};

const references = (doc: FleetDocument): Readonly<Record<string, unknown>> => {
  if (doc.kind === 'Peer') return { network_id: doc.network, node_instance_id: doc.node };
  return 'network' in doc ? { network_id: doc.network } : {};
};

const simpleSteps = (wanted: Wanted, live: Thing | undefined): Step[] => {
  const { doc, key, at } = wanted;
  const how = SIMPLE[doc.kind as keyof typeof SIMPLE];
  const base = { key, kind: doc.kind, at };
  if (live === undefined) {
    const args = { ...references(doc), ...given(doc, how.leftOut) };
    const changes = Object.entries(args).map(([field, after]) => ({ field, before: null, after }));
    const secretTo = doc.kind === 'Grant' ? { secretTo: doc.write_url_to } : {};
    return [{ ...base, change: 'create', tool: how.create, arguments: args, changes, ...secretTo }];
  }
  const stuck = differing(doc, live, how.fixed)[0];
  if (stuck !== undefined) throw fixed(wanted, stuck);
  const changes = differing(doc, live, how.changeable);
  if (changes.length === 0 || how.update === undefined) return [];
  return [
    { ...base, change: 'update', tool: how.update, arguments: { [how.id]: live.id, ...afterOf(changes) }, changes },
  ];
};

interface Assignment {
  readonly module_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly enabled: boolean;
}

/** A secret in a config is kept elsewhere, and the assignment names where: whether it is the same cannot be seen from here. */
const visible = (config: Readonly<Record<string, unknown>>, live: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(config).map(([name, value]) =>
      `${name}_ref` in live ? [`${name}_ref`, live[`${name}_ref`]] : [name, value],
    ),
  );

const moduleSteps = (wanted: Wanted, live: Thing | undefined): Step[] => {
  const { doc, key, at } = wanted;
  if (doc.kind !== 'Template' || doc.modules === undefined) return [];
  const has = (live?.module_assignments ?? []) as readonly Assignment[];
  const base = { key, kind: doc.kind, change: 'update' as const };
  const set = doc.modules.flatMap((module, i): Step[] => {
    const { module: module_name, ...rest } = module;
    const now = has.find((one) => one.module_name === module_name);
    const shown = rest.config === undefined ? rest : { ...rest, config: visible(rest.config, now?.config ?? {}) };
    const changes = differing(shown, (now ?? {}) as Thing, ['config', 'priority', 'enabled']);
    if (now !== undefined && changes.length === 0) return [];
    const field = `modules.${module_name}`;
    const found =
      now === undefined
        ? [{ field, before: null, after: rest }]
        : changes.map((c) => ({ ...c, field: `${field}.${c.field}` }));
    const args = { template_id: doc.name, module_name, ...rest };
    return [
      {
        ...base,
        at: wanted.line(['modules', i]),
        tool: 'system_assign_module_to_template',
        arguments: args,
        changes: found,
      },
    ];
  });
  const names = new Set(doc.modules.map((one) => one.module));
  const unset = has
    .filter((one) => !names.has(one.module_name))
    .map(({ module_name }): Step => {
      const changes = [{ field: `modules.${module_name}`, before: 'assigned', after: null }];
      const args = { template_id: doc.name, module_name };
      return { ...base, at, tool: 'system_unassign_module_from_template', arguments: args, changes };
    });
  return [...set, ...unset];
};

const nodeSteps = (wanted: Wanted, { things, templateId }: Live): Step[] => {
  const { doc, key, at } = wanted;
  if (doc.kind !== 'Node') return [];
  const live = things.get(key);
  const base = { key, kind: doc.kind, at };
  const steps: Step[] = [];
  if (live === undefined) {
    const args = {
      hostname: doc.name,
      node_template_id: doc.template,
      ...given(doc, ['kind', 'name', 'template', 'provision']),
    };
    const changes = Object.entries(args).map(([field, after]) => ({ field, before: null, after }));
    steps.push({ ...base, change: 'create', tool: 'system_create_node', arguments: args, changes });
  } else {
    const stuck = differing(doc, live, ['description'])[0];
    if (stuck !== undefined) throw fixed(wanted, stuck);
    const id = templateId(doc.template);
    const other = { field: 'template', before: live.template_id, after: id ?? doc.template };
    if (live.template_id !== id) {
      if (live.instance_id == null) throw fixed(wanted, other);
      const args = { id: live.instance_id, node_template_id: doc.template };
      steps.push({ ...base, change: 'update', tool: 'system_update_instance', arguments: args, changes: [other] });
    }
  }
  if (doc.provision !== undefined && live?.instance_id == null) {
    const args = { node_id: doc.name, ...doc.provision };
    const changes = [{ field: 'provision', before: null, after: doc.provision }];
    steps.push({ ...base, change: 'update', tool: 'system_provision_instance', arguments: args, changes });
  }
  return steps;
};

/** What would have to be called so that the fleet is as the files say; nothing when it is. */
export const plan = (wanted: readonly Wanted[], live: Live): readonly Step[] =>
  wanted.flatMap((one) =>
    one.doc.kind === 'Node'
      ? nodeSteps(one, live)
      : [...simpleSteps(one, live.things.get(one.key)), ...moduleSteps(one, live.things.get(one.key))],
  );

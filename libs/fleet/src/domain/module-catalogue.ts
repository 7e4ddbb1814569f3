import { nearest, refusal, type Refusal } from '#kernel';

/** What the agent knows how to install and keep running. The family decides the kinds of the module's events. */
export type ModuleFamily = 'k3s' | 'docker' | 'generic';

export interface Module {
  readonly name: string;
  readonly family: ModuleFamily;
  readonly summary: string;
  readonly promotion_state: 'built' | 'staging' | 'blessed' | 'live' | 'retired';
  readonly requires_peer: boolean;
}

export const MODULES: readonly Module[] = [
  {
    name: 'k3s-server',
    family: 'k3s',
    summary: 'K3s control plane; the instances of one assignment form one cluster',
    promotion_state: 'live',
    requires_peer: true,
  },
  {
    name: 'k3s-agent',
    family: 'k3s',
    summary: 'K3s worker; config.target_cluster_id names the cluster it joins',
    promotion_state: 'live',
    requires_peer: true,
  },
  {
    name: 'docker-engine',
    family: 'docker',
    summary: 'Docker Engine, reachable over the overlay with mutual TLS',
    promotion_state: 'live',
    requires_peer: true,
  },
  {
    name: 'base',
    family: 'generic',
    summary: 'Nothing but the agent: marks a machine as managed',
    promotion_state: 'live',
    requires_peer: false,
  },
];

/** What versions are kept of: one program may serve several modules. */
const ARTIFACT_OF: Readonly<Record<string, string>> = {
  'k3s-server': 'k3s',
  'k3s-agent': 'k3s',
  'docker-engine': 'docker-engine',
};
export const ARTIFACTS: readonly string[] = [...new Set(Object.values(ARTIFACT_OF))];
export const modulesOf = (artifact: string): string[] =>
  Object.keys(ARTIFACT_OF).filter((name) => ARTIFACT_OF[name] === artifact);
/** A module's artifact; an artifact's own name is taken as well. */
export const artifactOf = (name: string): string | undefined =>
  ARTIFACTS.includes(name) ? name : Object.hasOwn(ARTIFACT_OF, name) ? ARTIFACT_OF[name] : undefined;

export const familyOf = (moduleName: string): ModuleFamily =>
  MODULES.find((module) => module.name === moduleName)?.family ?? 'generic';

export const findModule = (
  name: string,
): { readonly module: Module; readonly refusal?: undefined } | { readonly refusal: Refusal } => {
  const module = MODULES.find((candidate) => candidate.name === name);
  if (module !== undefined) return { module };
  const names = MODULES.map((candidate) => candidate.name);
  const near = nearest(name, names);
  return {
    refusal: refusal(404, 'module_not_found', `there is no module ${JSON.stringify(name)}`, {
      field: 'module_name',
      hint: near === undefined ? `known modules: ${names.join(', ')}` : `did you mean ${near}?`,
      candidates: names.map((known) => ({ id: known, name: known })),
    }),
  };
};

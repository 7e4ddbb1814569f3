import { refusal, RefusedError, type Ids } from '#kernel';
import type { SecretStore } from '#access';

type Config = Readonly<Record<string, unknown>>;

const FIELD = 'datastore_endpoint';
const REF = 'datastore_endpoint_ref';
/** As K3s takes them; for MySQL that is Go's own form. */
const KINDS = /^(postgres|postgresql|mysql|nats|https?):\/\/\S+$/;

/**
 * The endpoint of an external datastore holds a password, so it goes to the secret store before anything else sees it, and
 * the assignment carries a reference. The endpoint that is there already keeps its reference: nothing changes then.
 */
export const keepDatastoreEndpoint = async (
  deps: { readonly secrets: Pick<SecretStore, 'put' | 'get'>; readonly ids: Ids },
  templateId: string,
  moduleName: string,
  given: Config,
  earlier: Config,
): Promise<Config> => {
  const { [FIELD]: endpoint, ...config } = given;
  if (config[REF] !== undefined && config[REF] !== earlier[REF]) throw new RefusedError(unknownReference());
  if (endpoint === undefined) return given;
  if (moduleName !== 'k3s-server') throw new RefusedError(misplaced(moduleName));
  if (typeof endpoint !== 'string' || !KINDS.test(endpoint)) throw new RefusedError(malformed());
  const known = earlier[REF];
  if (typeof known === 'string' && (await deps.secrets.get(known)) === endpoint) return { ...config, [REF]: known };
  const { ref } = await deps.secrets.put(templateId, `${FIELD}.${deps.ids.uuid()}`, endpoint);
  return { ...config, [REF]: ref };
};

/** None of these repeats the value. */
const malformed = () =>
  refusal(422, 'invalid_datastore_endpoint', 'config.datastore_endpoint is no datastore that K3s knows', {
    field: 'config.datastore_endpoint',
    hint: 'postgres://USER:PASSWORD@HOST:5432/DATABASE, mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE, or https://ETCD:2379',
  });
const misplaced = (moduleName: string) =>
  refusal(422, 'invalid_datastore_endpoint', `${moduleName} has no datastore`, {
    field: 'config.datastore_endpoint',
    hint: 'give it to k3s-server',
  });
const unknownReference = () =>
  refusal(422, 'invalid_datastore_endpoint', 'config.datastore_endpoint_ref is the platform’s own', {
    field: 'config.datastore_endpoint_ref',
    hint: 'give datastore_endpoint; the reference is made from it',
  });

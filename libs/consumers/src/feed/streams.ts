import { categoryOf, ID_PREFIXES, idSchema, nearest, refusal, RefusedError, STREAM_CATEGORIES } from '#kernel';

const refused = (code: string, field: string, message: string, hint: string, near?: string): RefusedError =>
  new RefusedError(
    refusal(400, code, `${field}: ${message}`, {
      field,
      hint,
      ...(near === undefined ? {} : { candidates: [{ id: near }] }),
    }),
  );

const refuseInbox = (name: string, field: string): void => {
  if (!/^pm[_-]|^pm$/.test(name)) return;
  const hint = 'agent_introspect shows what a process manager decided; name an entity, e.g. cluster-<uuid>';
  throw refused('not_for_consumers', field, 'streams of process managers are not shown', hint);
};

const unknown = (name: string, known: readonly string[], field: string, what: string, hint: string): RefusedError => {
  const category = name.split('-', 1)[0]!;
  const near = nearest(category, known);
  const said = `${JSON.stringify(name.slice(0, 100))} is ${what}`;
  if (near === undefined) return refused('invalid_parameter', field, said, hint);
  const meant = `${near}${name.slice(category.length)}`;
  return refused('invalid_parameter', field, said, `did you mean ${meant}?`, meant);
};

const checkUuid = (id: string, field: string): void => {
  const prefix = ID_PREFIXES.find((known) => known === categoryOf(id));
  if (prefix !== undefined && !idSchema(prefix).safeParse(id).success)
    throw refused('invalid_parameter', field, `must look like ${prefix}-<uuid>`, 'give the id as a tool answered it');
};

/** Of `subject`: links name entities, and nothing else. */
export const checkEntity = (id: string, field: string): void => {
  refuseInbox(id, field);
  if (!(ID_PREFIXES as readonly string[]).includes(categoryOf(id)))
    throw unknown(id, ID_PREFIXES, field, 'not the id of an entity', `ids start with ${ID_PREFIXES.join('-, ')}-`);
  checkUuid(id, field);
};

/** Of `stream`: the name of a stream, or what names of streams begin with, as `kind_prefix` is of kinds. */
export const checkStream = (name: string, field: string): void => {
  refuseInbox(name, field);
  const isKnown = name.includes('-')
    ? STREAM_CATEGORIES.includes(categoryOf(name))
    : STREAM_CATEGORIES.some((category) => category.startsWith(name));
  if (!isKnown) {
    const hint = `names of streams start with ${[...STREAM_CATEGORIES].sort().join('-, ')}-`;
    throw unknown(name, STREAM_CATEGORIES, field, 'no stream', hint);
  }
  if (!name.endsWith('-')) checkUuid(name, field);
};

import { refusal, type Refusal } from '#kernel';

export type NameKind = 'template' | 'node' | 'network' | 'cluster' | 'access_grant';

/** Which id bears a name, per kind; folded from the account's stream. */
export type NamesState = ReadonlyMap<string, string>;

export const nameKey = (kind: NameKind, name: string): string => `${kind}/${name}`;

export const nameTaken = (kind: NameKind, name: string, holder: string): Refusal =>
  refusal(409, 'name_taken', `there is already a ${kind} named ${name}`, {
    field: 'name',
    hint: 'choose another name, or use the one that exists',
    candidates: [{ id: holder, name }],
  });

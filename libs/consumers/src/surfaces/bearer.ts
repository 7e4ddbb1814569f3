/** The token of an `Authorization: Bearer TOKEN` header; undefined when there is none such. */
export const bearerToken = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header)?.[1];

import type { LoginRule } from '#kernel';

export type Claims = Readonly<Record<string, unknown>>;

/** `realm_access.roles`: the claim of that very name, or what lies at that path. */
const claimAt = (claims: Claims, path: string): unknown => {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Claims)[name] : undefined,
      claims,
    );
};

export const textsAt = (claims: Claims, path: string): readonly string[] => {
  // An address that nobody has shown to be theirs is a text that anybody may have typed.
  if (path === 'email' && claims['email_verified'] !== true) return [];
  const value = claimAt(claims, path);
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string');
};

const fits = (text: string, is: string): boolean => (is.startsWith('*') ? text.endsWith(is.slice(1)) : text === is);

/** The first rule that fits; undefined for who may not come in. */
export const matchRule = (rules: readonly LoginRule[], claims: Claims): LoginRule | undefined =>
  rules.find(({ claim, is }) => textsAt(claims, claim).some((text) => fits(text, is)));

/**
 * What a new operator is called. Names that operators are given by hand have no colon: nobody becomes `admin` by calling
 * themselves so at their provider.
 */
export const operatorName = (claims: Claims, claim: string): string => {
  const wanted = [claim, 'preferred_username', 'email', 'sub'].flatMap((name) => textsAt(claims, name))[0] ?? '';
  const plain = wanted
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^a-z0-9._@+-]+/g, '-')
    .slice(0, 48)
    .replace(/^[^a-z0-9]+|-+$/g, '');
  return `oidc:${plain === '' ? 'user' : plain}`;
};

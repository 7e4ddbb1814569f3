import { z } from 'zod';

/** Who of those that the identity provider knows may log in, to which account, as what. */
const loginRule = z.strictObject({
  /** A claim of the ID token, or a path into one: groups, email, realm_access.roles. */
  claim: z.string().min(1).max(200),
  /** A text, or one of a list of texts; `*` alone or at the beginning stands for anything. */
  is: z.string().min(1).max(200),
  role: z.enum(['viewer', 'operator', 'admin']),
  account: z.string().min(1).max(63).default('default'),
});
export type LoginRule = Readonly<z.output<typeof loginRule>>;

const loginRules = z
  .array(loginRule)
  .min(1)
  .max(200)
  .superRefine((rules, context) => {
    for (const [i, { is, role }] of rules.entries()) {
      if (role !== 'admin' || !is.startsWith('*')) continue;
      const message = 'role admin is given by name: to a group or a person, never by a rule with *';
      context.addIssue({ code: 'custom', path: [i, 'is'], message });
    }
  });

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** For a setting: the rules as JSON. */
export const loginRulesSetting = z.string().transform((text, context): readonly LoginRule[] => {
  const parsed = loginRules.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const example = '[{"claim":"groups","is":"ops","role":"operator","account":"default"}]';
  const where = path.length === 0 ? '' : `${path.join('.')}: `;
  context.addIssue({ code: 'custom', message: `must be a JSON list such as ${example} (${where}${message})` });
  return z.NEVER;
});

/** Plain HTTP is for a provider on this machine. */
export const isSafeUrl = (text: string): boolean => {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackName(url.hostname));
};

const isLoopbackName = (host: string): boolean => /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/.test(host);

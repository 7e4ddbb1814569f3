import { createPrivateKey } from 'node:crypto';

/** Something that must not be where it has no business. `kind` is what it is called in a finding; its value never is. */
export interface Secret {
  readonly kind: string;
  readonly forms: ReadonlyMap<string, Buffer>;
}

/** Text or bytes in which secrets are looked for. */
export interface Place {
  readonly name: string;
  readonly content: Buffer;
}

export interface Finding {
  readonly secret: string;
  readonly form: string;
  readonly place: string;
}

/** Base64 of the same bytes differs by where in the whole they begin; what is common to all texts around them is looked for. */
const base64Forms = (bytes: Buffer): [string, Buffer][] =>
  [0, 1, 2].map((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const from = shift === 0 ? 0 : shift + 1;
    return [`base64, shifted by ${shift}`, Buffer.from(shifted.slice(from, shifted.length - 1))];
  });

const formsOf = (bytes: Buffer): [string, Buffer][] => [
  ['as it is', bytes],
  ['hex', Buffer.from(bytes.toString('hex'))],
  ['hex in capitals', Buffer.from(bytes.toString('hex').toUpperCase())],
  ...base64Forms(bytes),
  ...base64Forms(bytes).map(([form, text]): [string, Buffer] => [
    `${form}, for URLs`,
    Buffer.from(text.toString().replaceAll('+', '-').replaceAll('/', '_')),
  ]),
];

const MINIMUM = 12;
const made = (kind: string, bytes: Buffer): Secret => {
  if (bytes.length < MINIMUM) throw new RangeError(`${kind} is too short to be looked for: ${bytes.length} bytes`);
  return { kind, forms: new Map(formsOf(bytes)) };
};

export const textSecret = (kind: string, text: string): Secret => made(kind, Buffer.from(text.trim()));
export const bytesSecret = (kind: string, bytes: Uint8Array): Secret => made(kind, Buffer.from(bytes));

/** A private key is found by its own number, whatever wraps it: PEM of any kind, DER, JWK, hex. */
export const keySecrets = (kind: string, pem: string): Secret[] => {
  const key = createPrivateKey(pem);
  const jwk = key.export({ format: 'jwk' }) as { d?: string };
  const lines = pem.split('\n').filter((line) => /^[A-Za-z0-9+/=]{40,}$/.test(line));
  return [
    ...(jwk.d === undefined ? [] : [bytesSecret(kind, Buffer.from(jwk.d, 'base64url'))]),
    bytesSecret(`${kind} (DER)`, key.export({ format: 'der', type: 'pkcs8' })),
    // A line of the PEM's own text as it stands in files; not the first, which begins as every key of its type does.
    textSecret(`${kind} (PEM)`, lines[1] ?? lines[0]!),
  ];
};

/** Every secret in every place, in every form. */
export const hunt = (secrets: readonly Secret[], places: readonly Place[]): Finding[] =>
  places.flatMap(({ name, content }) =>
    secrets.flatMap(({ kind, forms }) => {
      const hit = [...forms].find(([, bytes]) => content.includes(bytes));
      return hit === undefined ? [] : [{ secret: kind, form: hit[0], place: name }];
    }),
  );

/** Where a secret may be, because it has to be somewhere; and why. */
export interface Home {
  readonly secret: RegExp;
  readonly place: RegExp;
  readonly reason: string;
}

export const strayed = (findings: readonly Finding[], homes: readonly Home[]): string[] => [
  ...new Set(
    findings
      .filter(({ secret, place }) => !homes.some((home) => home.secret.test(secret) && home.place.test(place)))
      .map(({ secret, form, place }) => `${secret} (${form}) in ${place}`),
  ),
];

/** Homes in which nothing was found: a list that names more than there is hides what it should show. */
export const emptyHomes = (findings: readonly Finding[], homes: readonly Home[]): string[] =>
  homes
    .filter((home) => !findings.some(({ secret, place }) => home.secret.test(secret) && home.place.test(place)))
    .map((home) => `${home.secret.source} in ${home.place.source}`);

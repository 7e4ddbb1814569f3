import { GENERATED, table, typeOf } from './markdown.mjs';

/** Defaults in the operator's form: the data directory is made absolute only when it is read. */
const defaultOf = (schema) => (schema.default === undefined ? '' : `\`${schema.default}\``);

const kindOf = (schema) => {
  const least =
    schema.minimum !== undefined && schema.minimum > Number.MIN_SAFE_INTEGER ? `, at least ${schema.minimum}` : '';
  return `${typeOf(schema)}${least}`;
};

export const settingsPage = ({ settingsSchema, z }) => {
  const { properties } = z.toJSONSchema(settingsSchema, { io: 'input', unrepresentable: 'any' });
  // Numbers are read from text; their own schema stands on the output side.
  const read = z.toJSONSchema(settingsSchema, { io: 'output', unrepresentable: 'any' }).properties;
  const rows = Object.entries(properties).map(([name, schema]) => [
    `\`${name}\``,
    kindOf(schema.type === undefined && schema.enum === undefined ? read[name] : schema),
    defaultOf(schema),
    schema.description ?? '',
  ]);
  return `${[
    '# Settings',
    GENERATED,
    `The platform reads its settings from the environment, once, at start. A wrong one is refused by name, with every other problem in the same message; so is
an unknown name that begins with \`DROVER_\`. An empty value counts as absent.`,
    table(['setting', 'type', 'default', ''], rows),
    `## Elsewhere`,
    table(
      ['setting', 'read by', ''],
      [
        ['`DROVER_URL`', '`drover`', 'The platform; default `http://` and `DROVER_HTTP_ADDR`'],
        ['`DROVER_TOKEN`', '`drover`', 'Operator token; default `admin.token` in `DROVER_DATA_DIR`'],
        ['`DROVER_TOKEN_FILE`', '`drover`', 'A file with the operator token, as `--token-file`; `-` is stdin'],
        ['`DROVER_JOIN_TOKEN`', '`drover-agent`', 'Join token, when neither `--token-file` nor `--token` is given'],
        ['`DROVER_K3S_BIN`', 'the lab', 'The real K3s for `npm run demo`; otherwise the stand-in'],
        [
          '`DROVER_REQUIRE_REAL`',
          '`npm test`',
          '`1`: a test that lacks root, TUN or a program fails instead of being skipped',
        ],
      ],
    ),
  ].join('\n\n')}\n`;
};

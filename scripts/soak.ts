import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { cleanUpOnSignals } from './soaks/support/cleanup.js';

/** One soak: scripts/soaks/NAME.ts. Progress goes to stderr; the result is one flat object; it throws when it did not hold. */
export interface Soak {
  readonly about: string;
  readonly options: ParseArgsOptionsConfig;
  run(values: SoakValues): Promise<Readonly<Record<string, string | number | boolean>>>;
}
export type SoakValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

const COMMON = { json: { type: 'boolean' }, help: { type: 'boolean' } } as const satisfies ParseArgsOptionsConfig;

const names = (): string[] =>
  readdirSync(join(import.meta.dirname, 'soaks'))
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -'.js'.length))
    .sort();

const usage = (complaint = ''): number => {
  const list = names().join(', ');
  process.stderr.write(
    `${complaint === '' ? '' : `${complaint}\n`}usage: npm run soak -- NAME [--json] [--help]\nsoaks: ${list}\n`,
  );
  return 2;
};

const explain = (name: string, soak: Soak): number => {
  const options = Object.entries(soak.options).map(
    ([key, { type, default: value }]) => `--${key}${type === 'string' ? ` ${String(value ?? '…')}` : ''}`,
  );
  process.stdout.write(
    `npm run soak -- ${name} [--json] ${options.map((o) => `[${o}]`).join(' ')}\n\n  ${soak.about}\n`,
  );
  return 0;
};

/** `npm run soak -- NAME [--json] [options of the soak]`: exit code 0 only when everything held. */
const main = async ([name, ...rest]: readonly string[]): Promise<number> => {
  if (name === undefined || name === '--help') return usage();
  if (!names().includes(name)) return usage(`there is no soak ${name}`);
  const soak = (await import(`./soaks/${name}.js`)) as Soak;
  let values: SoakValues;
  try {
    ({ values } = parseArgs({ args: rest, options: { ...soak.options, ...COMMON } }));
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
    explain(name, soak);
    return 2;
  }
  if (values['help'] === true) return explain(name, soak);
  const undo = cleanUpOnSignals();
  try {
    const result = { soak: name, ...(await soak.run(values)) };
    if (values['json'] === true) process.stdout.write(`${JSON.stringify(result)}\n`);
    else for (const [key, value] of Object.entries(result)) process.stdout.write(`${key.padEnd(28)} ${value}\n`);
    return 0;
  } catch (cause) {
    process.stderr.write(
      `\n${name} did NOT hold: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`,
    );
    return 1;
  } finally {
    await undo();
  }
};

process.exit(await main(process.argv.slice(2)));

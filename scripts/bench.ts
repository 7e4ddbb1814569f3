import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

type Value = string | number | boolean | null;
/** A distribution (`{"p50": 12, "max": 30}`) is one level deeper; deeper it does not go. */
export type Result = Readonly<Record<string, Value | Readonly<Record<string, Value>>>>;

/** One bench: scripts/benches/NAME.ts. Progress goes to stderr; the result is one object. */
export interface Bench {
  run(args: readonly string[]): Promise<Result>;
}

const names = (): string[] =>
  readdirSync(join(import.meta.dirname, 'benches'))
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -'.js'.length))
    .sort();

/** `npm run bench -- NAME [--json] [what the bench itself understands]` */
const main = async (argv: readonly string[]): Promise<number> => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: { json: { type: 'boolean' } },
    strict: false,
    allowPositionals: true,
  });
  const name = positionals[0];
  if (name === undefined || !names().includes(name)) {
    process.stderr.write(`usage: npm run bench -- NAME [--json]\nbenches: ${names().join(', ')}\n`);
    return 2;
  }
  const bench = (await import(`./benches/${name}.js`)) as Bench;
  const result = await bench.run(argv.filter((arg, index) => arg !== '--json' && index !== argv.indexOf(name)));
  if (values.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
  else
    for (const [key, value] of Object.entries(result))
      process.stdout.write(`${key.padEnd(28)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}\n`);
  return 0;
};

process.exit(await main(process.argv.slice(2)));

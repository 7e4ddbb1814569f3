import { CliError } from '../errors.js';
import { paint } from '../text.js';
import { examine, type Patient } from './doctor-checks.js';
import type { Finding } from './finding.js';

const COLOUR = { ok: undefined, warn: 'yellow', fail: 'red' } as const;

export const findingsText = (findings: readonly Finding[], colours: boolean): string => {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, verdict, evidence, repair }) => [
      `${paint(COLOUR[verdict], verdict.padEnd(4), colours)}  ${check.padEnd(width)}  ${evidence}`,
      ...(repair === undefined || verdict === 'ok' ? [] : [`${' '.repeat(width + 8)}try: ${repair}`]),
    ])
    .join('\n');
};

/** One that fails is told, and keeps none of the others from being tried. */
const repair = async (findings: readonly Finding[], progress: (text: string) => void): Promise<number> => {
  const broken = findings.filter(({ verdict, fix }) => verdict !== 'ok' && fix !== undefined);
  for (const { check, fix, repair: how } of broken) {
    try {
      await fix!();
      progress(`fixed ${check}: ${how ?? ''}`);
    } catch (error) {
      const why = error instanceof CliError ? `${error.message}: ${error.why}` : String(error);
      progress(`${check} could not be fixed: ${why}`);
    }
  }
  return broken.length;
};

/** `drover doctor [--fix]`; exit code 1 when something fails that it could not repair. */
export const runDoctor = async (
  patient: Patient,
  words: readonly string[],
  io: {
    readonly out: (text: string) => Promise<void> | void;
    readonly progress: (text: string) => void;
    readonly json: boolean;
    readonly colours: boolean;
  },
): Promise<number> => {
  const other = words.find((word) => word !== '--fix');
  if (other !== undefined) throw new CliError(`drover doctor has no ${other}`, 'it has --fix', 'drover doctor', 2);
  let findings = await examine(patient);
  if (words.includes('--fix') && (await repair(findings, io.progress)) > 0) findings = await examine(patient);
  const shown = findings.map(({ fix: _, ...finding }) => finding);
  const isWell = findings.every(({ verdict }) => verdict !== 'fail');
  if (io.json) await io.out(JSON.stringify({ success: true, data: { healthy: isWell, checks: shown } }));
  else await io.out(findingsText(findings, io.colours));
  return isWell ? 0 : 1;
};

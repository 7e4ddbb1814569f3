#!/usr/bin/env node
// The gate's last line, "N passed, N failed", and how it ends:
//   node scripts/verdict.mjs SUITES CHECK FILE... with the exit codes of the suites and of npm run check, and what Jest wrote.
import { existsSync, readFileSync } from 'node:fs';

const [suitesCode, checkCode, ...files] = process.argv.slice(2);
// A suite that wrote nothing did not even start.
const NONE = {
  numPassedTests: 0,
  numFailedTests: 0,
  numRuntimeErrorTestSuites: 1,
  numPendingTests: 0,
  numTodoTests: 0,
};
const suites = files.map((file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : NONE));
const sum = (count) => suites.reduce((total, suite) => total + count(suite), 0);
// With the real parts required, a skipped test is a failed one.
const tests = sum((r) => r.numFailedTests + r.numRuntimeErrorTestSuites + r.numPendingTests + r.numTodoTests);
const counted = tests + (Number(checkCode) === 0 ? 0 : 1);
const isGood = counted === 0 && suites.every((r) => r.success) && Number(suitesCode) === 0;
// Jest ends badly also where no test failed.
console.log(`${sum((r) => r.numPassedTests)} passed, ${isGood ? 0 : Math.max(1, counted)} failed`);
process.exitCode = isGood ? 0 : Number(suitesCode) || 1;

import { CliError } from './errors.js';
import { asCliError, failure } from './failure.js';

const told = (error: CliError) => (JSON.parse(failure(error, true)) as { error: object }).error;

it('says of an error whether the same again may succeed', () => {
  expect(told(new CliError('away', 'why', undefined, 3))).toMatchObject({ retryable: true });
  for (const code of [1, 2, 4, 5, 6, 7, 8, 9] as const)
    expect(told(new CliError('no', 'why', 'hint', code))).toMatchObject({ retryable: false, hint: 'hint' });
});

it('has the id under which the platform logged it last, and candidates for programs', () => {
  const refused = { code: 'node_not_found', message: 'm', correlation_id: 'id-1' };
  const error = new CliError('m', 'why', 'hint', 5, refused, 'spare');
  expect(failure(error, false)).toBe(
    'error:   m\n  why:   why\n  try:   hint\n  did you mean: spare\n  correlation id: id-1',
  );
  expect(told(error)).toEqual({ ...refused, retryable: false });
  expect(told(new CliError('m', 'why', undefined, 2, undefined, 'spare'))).toMatchObject({
    code: 'cli_error',
    candidates: [{ id: 'spare' }],
  });
});

it('says what nobody foresaw like everything else; where in the program only to who asks', () => {
  const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC', syscall: 'write', path: '/x/y' });
  expect(failure(asCliError(full, false), false)).toBe(
    'error:   /x/y cannot be used (write)\n  why:   the disk is full (ENOSPC)',
  );
  const bug = new TypeError('x is not a function');
  expect(asCliError(bug, false)).toMatchObject({ exitCode: 1, why: 'x is not a function' });
  expect(asCliError(bug, true).why).toContain('failure.unit-spec');
});

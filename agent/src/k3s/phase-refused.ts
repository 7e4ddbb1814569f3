/** The platform's answer to a phase that it does not take. */
export class PhaseRefused extends Error {
  override readonly name = 'PhaseRefused';
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

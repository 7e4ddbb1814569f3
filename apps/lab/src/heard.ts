/** The end of what a process says, and whether it has said something by now; a chunk may hold far more than is remembered. */
export class Heard {
  end = '';

  constructor(
    private readonly words: string,
    public isSaid = false,
    private readonly remembered = 4_000,
  ) {}

  hear(chunk: string): void {
    // Looked for before it is cut: a chunk of a pipe has up to 64 KiB, and the words may stand at its beginning.
    const all = this.end + chunk;
    this.isSaid ||= all.includes(this.words);
    this.end = all.slice(-this.remembered);
  }
}

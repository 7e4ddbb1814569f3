import type pg from 'pg';

const HEADER_BYTES = 19;

type PgConnection = { query(text: string): void };

/**
 * COPY … TO STDOUT (FORMAT binary) for node-postgres, which has no such query of its own: each message is one row, handed
 * over as it arrives and not kept. A check of the whole log is bound by what a row costs here.
 */
class BinaryCopy {
  /** node-postgres calls it for queries of its own; this one settles a promise instead. */
  callback: ((error: Error | null) => void) | undefined;
  private first = true;
  private failure: Error | undefined;

  constructor(
    private readonly text: string,
    private readonly row: (tuple: Buffer) => void,
    private readonly done: (error: Error | undefined) => void,
  ) {}

  submit(connection: PgConnection): void {
    connection.query(this.text);
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.failure !== undefined) return;
    const tuple = this.first ? chunk.subarray(HEADER_BYTES) : chunk;
    this.first = false;
    if (tuple.length < 2 || tuple.readInt16BE(0) < 0) return;
    try {
      this.row(tuple);
    } catch (error) {
      this.failure = error as Error;
    }
  }

  handleError(error: Error): void {
    this.done(error);
  }

  handleReadyForQuery(): void {
    this.done(this.failure);
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(): void {}
}

/** Runs `COPY (query) TO STDOUT` and hands each row's binary tuple to `row`, whose buffer is only valid during the call. */
export const copyRows = (
  client: Pick<pg.Client, 'query'>,
  query: string,
  row: (tuple: Buffer) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (error: Error | undefined) => (error === undefined ? resolve() : reject(error));
    client.query(new BinaryCopy(`COPY (${query}) TO STDOUT (FORMAT binary)`, row, settle) as unknown as pg.Submittable);
  });

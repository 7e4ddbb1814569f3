/** What a client of a test has received, and who waits for more. */
export class Mailbox<T> {
  readonly messages: T[] = [];
  private readonly waiting = new Set<() => void>();

  push(message: T): void {
    this.messages.push(message);
    for (const look of [...this.waiting]) look();
  }

  /** The first message that fits, however long ago it came; rejects when the stream has ended without it. */
  until(fits: (message: T) => boolean, ended: Promise<Error>): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.messages.find(fits);
        if (found === undefined) return;
        this.waiting.delete(look);
        resolve(found);
      };
      this.waiting.add(look);
      look();
      void ended.then(reject);
    });
  }
}

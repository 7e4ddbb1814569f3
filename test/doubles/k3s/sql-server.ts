import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '#event-store';

const USER = 'kine';
/** Only whom the test itself is asks without a password; K3s must show one. */
const HBA = 'local all drover trust\nlocal all all scram-sha-256\n';

/** A real Postgres on TCP, as an operator's database server is: with a password, and a wire that can be cut. */
export class SqlServer {
  readonly password = randomBytes(18).toString('base64url');
  private readonly open = new Set<Socket>();
  private cut = false;

  private constructor(
    private readonly dir: string,
    private readonly postgres: EmbeddedPostgres,
    private readonly front: Server,
  ) {
    front.on('connection', (socket) => this.carry(socket));
  }

  static async start(): Promise<SqlServer> {
    const dir = mkdtempSync(join(tmpdir(), 'drover-sql-'));
    chmodSync(dir, 0o755);
    const hba = join(dir, 'pg_hba.conf');
    writeFileSync(hba, HBA);
    const postgres = await startEmbeddedPostgres({
      dataDir: join(dir, 'db'),
      parameters: { hba_file: hba },
      dieWithParent: true,
    });
    const front = createServer();
    await new Promise<void>((done) => front.listen(0, '127.0.0.1', done));
    const server = new SqlServer(dir, postgres, front);
    await server.query(`CREATE ROLE ${USER} LOGIN CREATEDB PASSWORD '${server.password}'`);
    return server;
  }

  /** On 127.0.0.1. */
  get port(): number {
    return (this.front.address() as AddressInfo).port;
  }

  endpoint(host: string, database = 'kubernetes'): string {
    return `postgres://${USER}:${this.password}@${host}:${this.port}/${database}?sslmode=disable`;
  }

  async query<T extends pg.QueryResultRow>(text: string, database = 'postgres'): Promise<T[]> {
    const client = new pg.Client({ ...this.postgres.connection, database });
    await client.connect();
    try {
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Nobody gets through until it is mended; the database itself goes on. */
  cutWire(): void {
    this.cut = true;
    for (const socket of this.open) socket.destroy();
  }
  mendWire(): void {
    this.cut = false;
  }

  async end(): Promise<void> {
    this.cutWire();
    this.front.close();
    await this.postgres.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private carry(from: Socket): void {
    if (this.cut) return void from.destroy();
    const { host, port } = this.postgres.connection;
    const to = connect(`${host}/.s.PGSQL.${port}`);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.open.delete(one);
        other.destroy();
      });
    }
  }
}

import { systemIds } from '#kernel';
import { KurrentEventStore } from '#event-store';
import { FakeKurrent } from '../../../../test/doubles/kurrentdb/server.js';
import { checkProof } from '../proof/event-proof.js';
import { Exporter } from '../export/exporter.js';
import { ExportCheck } from '../export/export-check.js';
import { Prover } from '../export/prover.js';
import { appendEvents, groundOn, type AuditGround } from '../testing/audit-ground.js';
import { AuditVerifier } from './audit-verifier.js';
import { PortEventCheck } from './event-check.js';

/** Positions have gaps there, the server keeps no chain, and it stands for JSON as it likes: seals are all there is. */
describe('on KurrentDB (stand-in server)', () => {
  let server: FakeKurrent;
  let ground: AuditGround;
  let ids: string[];
  beforeAll(async () => {
    server = await FakeKurrent.start();
    server.systemEvent();
    const namespace = `audit_${systemIds.uuid().slice(0, 8)}`;
    ground = await groundOn(await KurrentEventStore.open({ url: server.url, namespace }));
    ids = [];
    for (let n = 0; n < 5; n++) {
      ids.push(...(await appendEvents(ground.store, 5, n % 2 === 0 ? 'account-a' : 'account-b')));
      server.systemEvent();
    }
    await ground.sealAll();
  });
  afterAll(async () => {
    await ground.close();
    await server.stop();
  });
  const verify = async () => {
    const events = new PortEventCheck(ground.log, ground.seals);
    return new AuditVerifier({
      store: ground.seals,
      events,
      sink: ground.sink,
      exportsIn: () => ground.exportsIn(),
    }).verify();
  };

  it('every event is sealed once and verifies, also after more were sealed by a new leader', async () => {
    expect(await verify()).toMatchObject({ intact: true, events: 25, seals: { count: 3, inFile: 3 } });
    ids.push(...(await appendEvents(ground.store, 5)));
    await ground.sealAll();
    expect(await verify()).toMatchObject({ intact: true, events: 30, seals: { count: 4, inFile: 4 } });
  });

  it('events are proven and exported', async () => {
    const prover = new Prover(ground.log, ground.seals);
    for (const id of [ids[0]!, ids[12]!, ids[24]!]) {
      const proven = await prover.prove(id, undefined);
      if (proven.kind !== 'proof') throw new Error(proven.kind);
      expect(checkProof(JSON.parse(JSON.stringify(proven.proof)))).toMatchObject({ valid: true, eventId: id });
    }
    expect(await prover.prove(ids[5]!, 'account-a')).toEqual({ kind: 'unknown' });
    const [unsealed] = await appendEvents(ground.store, 1);
    expect(await prover.prove(unsealed!, undefined)).toEqual({ kind: 'not_sealed' });
    const exporter = new Exporter(ground.log, ground.seals);
    for (const account of [undefined, 'account-b']) {
      const check = new ExportCheck();
      for (let after = 0n, complete = false; !complete;) {
        const page = await exporter.page({ account, after, limit: 7 });
        for (const line of page.lines) check.add(JSON.stringify(line));
        ({ through: after, complete } = page);
      }
      expect(check.finish()).toMatchObject({
        problems: [],
        whole: account === undefined,
        sealed: account === undefined ? 30 : 10,
      });
    }
  });

  it('an event that was altered on the server shows against its seal, at its position', async () => {
    const read = ground.log.read.bind(ground.log);
    const [eleventh] = (await read(0n, 20)).slice(10);
    const log = ground.log as { read: typeof read };
    const altered = async (change: (position: bigint) => 'forge' | 'drop' | 'keep') => {
      log.read = async (after, limit, through) =>
        (await read(after, limit, through))
          .filter(({ position }) => change(position) !== 'drop')
          .map((event) =>
            change(event.position) === 'forge'
              ? { ...event, envelope: event.envelope.replace('original', 'forged') }
              : event,
          );
      const [finding] = (await verify()).findings;
      log.read = read;
      return finding;
    };
    const at = eleventh!.position;
    expect(await altered((position) => (position === at ? 'forge' : 'keep'))).toMatchObject({
      kind: 'event',
      position: at,
    });
    expect(await altered((position) => (position === at ? 'drop' : 'keep'))).toMatchObject({
      kind: 'event',
      position: at,
    });
    expect(await altered((position) => (position >= at ? 'drop' : 'keep'))).toMatchObject({
      kind: 'event',
      position: at,
    });
    expect((await verify()).intact).toBe(true);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgres } from '#event-store';
import { Narrator } from '../../../apps/lab/src/demo/narrator.js';
import { SERVERS, Story, WORKER, type StoryResult } from '../../../apps/lab/src/demo/story.js';
import { Lab } from '../../../apps/lab/src/lab.js';
import { choosePorts, PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { AnswerGate } from './answer-gate.js';
import { undoLater } from './cleanup.js';
import { problemsOfRebuilds } from './rebuild-check.js';
import { problemsOfLog, readLogOf, type LogCopy } from './event-log.js';
import { PatientOperator } from './patient-operator.js';
import { patientWorld } from './patient-world.js';
import { problemsOfTutorial } from './tutorial-log.js';

/** The platform listens here; on the usual loopback address, same ports, are the gates in front of it. */
const BEHIND = '127.0.0.2';
const ANY = { http: 0, agents: 0, enroll: 0 };

export interface Happening {
  readonly kind: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly occurred_at: string;
}

/** A lab with the four machines of tutorial 04, a platform that may be killed, and an operator who repeats calls. */
export class TutorialRig {
  readonly operator: PatientOperator;
  readonly say = new Narrator(true);
  private readonly undo: () => Promise<void>;

  private constructor(
    readonly lab: Lab,
    readonly platform: PlatformProcess,
    readonly gates: { readonly agents: AnswerGate; readonly enroll: AnswerGate },
    readonly dataDir: string,
  ) {
    this.operator = new PatientOperator(`${platform.httpUrl}/mcp`, () => platform.token);
    this.undo = undoLater(() => this.tearDown());
  }

  /** `root` is the compiled repository; more settings of the platform. */
  static async create(root: string, settings: Readonly<Record<string, string>> = {}): Promise<TutorialRig> {
    const dataDir = mkdtempSync(join(tmpdir(), 'drover-soak-'));
    const ports = await choosePorts(ANY);
    const [agents, enroll] = await Promise.all(
      [ports.agents, ports.enroll].map((port) => AnswerGate.listen('127.0.0.1', port, { host: BEHIND, port })),
    );
    const lab = await Lab.create({ hosts: [...SERVERS, WORKER], platformPorts: Object.values(ports), root });
    const platform = new PlatformProcess({
      root,
      dataDir,
      ports,
      logFile: join(dataDir, 'platform.log'),
      publicUrl: lab.publicUrl(ports.http),
      provisionerSocket: lab.provisionerSocket,
      env: {
        ...{ DROVER_AGENT_ADDR: `${BEHIND}:${ports.agents}`, DROVER_ENROLL_ADDR: `${BEHIND}:${ports.enroll}` },
        ...settings,
      },
    });
    const rig = new TutorialRig(lab, platform, { agents: agents!, enroll: enroll! }, dataDir);
    await platform.start();
    return rig;
  }

  play(): Promise<StoryResult> {
    return new Story(this.operator.asOperator, patientWorld(this.lab, this.operator), this.say).play();
  }

  /** Kinds and payloads of what happened so far, oldest first. */
  async happened(kindPrefix: string): Promise<readonly Happening[]> {
    const { events } = await this.operator.call<{ events: Happening[] }>('recent_events', {
      kind_prefix: kindPrefix,
      limit: 500,
    });
    return events;
  }

  /** What the running platform says of the end of the tutorial, where that is not what it must be. */
  async problemsOfState(): Promise<string[]> {
    const { clusters } = await this.operator.call<{ clusters: { id: string; status: string }[] }>(
      'kubernetes_list_clusters',
    );
    const { nodes } = await this.operator.call<{ nodes: { instance_id: string; role: string; status: string }[] }>(
      'kubernetes_list_nodes',
      { cluster_id: clusters[0]?.id ?? '' },
    );
    const audit = await this.operator.call<{ intact: boolean }>('verify_audit');
    const kubectl = await this.lab.exec('workstation', [
      'kubectl',
      '--request-timeout=5s',
      'get',
      'nodes',
      '--no-headers',
    ]);
    const ready = kubectl.stdout.split('\n').filter((line) => /\sReady/.test(line)).length;
    const servers = nodes.filter((n) => n.role !== 'worker').length;
    return [
      ...(clusters.length === 1 && clusters[0]!.status === 'active' ? [] : [`clusters: ${JSON.stringify(clusters)}`]),
      ...(nodes.length === 4 && servers === 3 ? [] : [`nodes: ${JSON.stringify(nodes)}`]),
      ...(audit.intact ? [] : ['verify_audit says that the log is not intact']),
      ...(await problemsOfRebuilds((tool, args) => this.operator.call(tool, args))),
      ...(ready === 4 ? [] : [`kubectl get nodes: ${kubectl.stdout}${kubectl.stderr}`]),
    ];
  }

  /** Ends the platform and reads what it wrote. */
  async finish(): Promise<{ readonly log: LogCopy; readonly problems: readonly string[] }> {
    const ofState = await this.problemsOfState();
    await this.operator.close();
    await this.platform.stop();
    const log = await readLogOf(this.dataDir);
    return { log, problems: [...ofState, ...problemsOfLog(log), ...problemsOfTutorial(log.events)] };
  }

  close(): Promise<void> {
    return this.undo();
  }

  private async tearDown(): Promise<void> {
    await this.operator.close();
    await this.platform.stop('SIGKILL');
    await this.lab.destroy();
    this.gates.agents.close();
    this.gates.enroll.close();
    // A Postgres that outlived its killed platform is adopted, and so ended.
    await (await openPostgres({ dataDir: this.dataDir })).stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

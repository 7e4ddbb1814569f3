import { Registry } from 'prom-client';
import { position } from '#event-store';
import { ProcessingMetrics, type ProcessingFacts } from './processing-metrics.js';

const lane = (name: string, behind: number | undefined) =>
  ({ name, kind: 'projection', position: position(5), state: 'catching_up', behind }) as const;
const fault = (name: string, attempts: number, sinceMs: number) => ({
  lane: name,
  position: position(5),
  error: 'why',
  attempts,
  sinceMs,
});
const table = (name: string, behind: number | undefined, waitingSince?: string) => ({
  ...{ name, version: 1, isRead: true, behind, skipped: [], waitingSince },
});

const scraped = async (status: object, reports: readonly object[]) => {
  const registry = new Registry();
  const facts = {
    status: async () => ({ role: 'leading', epoch: 3, head: position(9), lanes: [], faults: [], ...status }),
    projectionReports: async () => reports,
  } as unknown as ProcessingFacts;
  await new ProcessingMetrics(registry, facts, { wallMs: () => 10_000 }).refresh();
  return (await registry.metrics()).split('\n').filter((line) => !line.startsWith('#') && line.includes('{'));
};

it('says nothing of a lag that is not known, instead of 0, but always for how long an event has waited', async () => {
  const lanes = [lane('projection:a_v1', undefined), lane('projection:b_v1', 0), lane('projection:c_v1', 4)];
  const waiting = table('a', undefined, '1970-01-01T00:00:02.500Z');
  expect(await scraped({ lanes }, [waiting, table('b', 0)])).toEqual([
    'drover_processing_lag_events{lane="projection:b_v1"} 0',
    'drover_processing_lag_events{lane="projection:c_v1"} 4',
    'drover_projection_lag_events{projection="b",version="1",state="read"} 0',
    'drover_projection_lag_seconds{projection="a",version="1",state="read"} 7.5',
    'drover_projection_lag_seconds{projection="b",version="1",state="read"} 0',
    'drover_projection_skipped_events{projection="a"} 0',
    'drover_projection_skipped_events{projection="b"} 0',
  ]);
});

it('names the manager of a fault and not the instance, which is an account’s; of several the worst counts', async () => {
  const faults = [
    fault('pm_sdwan_manager-11111111-aaaa', 2, 9_000),
    fault('pm_sdwan_manager-22222222-bbbb', 7, 4_000),
    fault('timer:sdwan_manager-33333333-cccc:lease-1', 3, 8_000),
    fault('process:sdwan_manager', 1, 10_000),
    fault('projection:nodes_v1', 4, 6_000),
  ];
  expect(await scraped({ faults }, [])).toEqual([
    'drover_fault_attempts{lane="pm_sdwan_manager"} 7',
    'drover_fault_attempts{lane="timer:sdwan_manager"} 3',
    'drover_fault_attempts{lane="process:sdwan_manager"} 1',
    'drover_fault_attempts{lane="projection:nodes_v1"} 4',
    'drover_fault_seconds{lane="pm_sdwan_manager"} 6',
    'drover_fault_seconds{lane="timer:sdwan_manager"} 2',
    'drover_fault_seconds{lane="process:sdwan_manager"} 0',
    'drover_fault_seconds{lane="projection:nodes_v1"} 4',
  ]);
});

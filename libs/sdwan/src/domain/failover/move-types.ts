import type { Member } from '../virtual-ip/state.js';
import type { MoveReport } from '../virtual-ip/decide.js';

/** Everything one move needs to know at its start. Times in milliseconds. */
export interface MovePlan {
  /** The epoch that is in force; the move asks for the next one. */
  readonly epoch: number;
  readonly from: Member | null;
  /** Candidates, best first. */
  readonly order: readonly Member[];
  /** All candidates; with fewer than two there is no lease and nobody to ask. */
  readonly voters: readonly Member[];
  readonly platformVotes: boolean;
  /** Members with a connected agent; they are told and asked for an ack. */
  readonly members: readonly Member[];
  /** There are devices in the network: they have no agent that could acknowledge, and need a moment more. */
  readonly devices: boolean;
  /** The old holder lives and takes part: make before break. */
  readonly planned: boolean;
  /** Somebody wants the holder gone, dead or alive: no witness has to confirm its death, what it was granted runs out. */
  readonly ordered: boolean;
  readonly ttlMs: number;
  /** Where there is no lease: members that are asked whether the VIP still answers them. */
  readonly onlookers: readonly Member[];
  /** For how long the platform has heard nothing of the old holder; Infinity when it never did. */
  readonly unheardMs: number;
  /** For how long the VIP had not answered when the move began. */
  readonly downForMs: number;
  /** The move was started in the log by an earlier life of the platform. */
  readonly resume?: { readonly epoch: number; readonly to: Member };
}

export type Phase =
  | 'new'
  | 'witnessing'
  | 'rechecking'
  | 'preparing'
  | 'starting'
  | 'holding'
  | 'failing'
  | 'resetting'
  | 'spreading'
  | 'lingering'
  | 'releasing'
  | 'completing'
  | 'stranding'
  | 'over';

/** When a voter heard the holder last: it answered some time between the question and the arrival of its answer. */
export interface Heard {
  /** -Infinity where it is not known which question was answered. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** How long ago that was when it answered; Infinity when never. */
  readonly agoMs: number;
  /** When its answer came. */
  readonly atMs: number;
}

export interface MoveState {
  readonly plan: MovePlan;
  readonly phase: Phase;
  /** Distinguishes timers: one that was set for an earlier step means nothing. */
  readonly step: number;
  readonly beganMs: number;
  readonly startedMs: number;
  readonly epoch: number;
  readonly candidate: number;
  readonly order: readonly Member[];
  /** Answers to the current round of questions, by instance. */
  readonly replies: ReadonlyMap<string, Heard>;
  /** The same, of the first round. */
  readonly firstReplies: ReadonlyMap<string, Heard>;
  /** When each question of the current round was sent. An answer to any other is of another time, and counts for nothing. */
  readonly questions: ReadonlyMap<number, number>;
  /** The last question of this move. */
  readonly question: number;
  readonly rounds: number;
  /** How often in a row a round ended without enough answers. */
  readonly unheard: number;
  readonly acks: ReadonlyMap<string, number>;
  /** When the candidate said that it answers for the address; it acknowledges when it has that on disk as well. */
  readonly answeredMs: number | undefined;
  /** The candidate did not answer in time: witnesses are asked whether it holds the address nevertheless. */
  readonly unanswered: boolean;
  /** Devices were told of this epoch's holder. */
  readonly announced: boolean;
  /** Who knows its part in this epoch, by instance. */
  readonly prepared: ReadonlySet<string>;
}

export type MoveInput =
  | { readonly kind: 'begin' }
  | {
      readonly kind: 'promise';
      readonly from: string;
      readonly epoch: number;
      /** -1 when never. */
      readonly heardMsAgo: number;
      /** False of a VIP without a lease: it could not look. */
      readonly looked?: boolean;
      /** What it answers; undefined from an agent that does not say. */
      readonly question?: number | undefined;
    }
  | { readonly kind: 'timer'; readonly step: number }
  | { readonly kind: 'appended' }
  | { readonly kind: 'append_refused'; readonly reason: string }
  | {
      readonly kind: 'ack';
      readonly from: string;
      readonly epoch: number;
      readonly role: 'holder' | 'routed' | 'released' | 'prepared' | 'answering';
    }
  /** The old holder of a crash is heard again. */
  | { readonly kind: 'holder_back' };

export type MoveOutcome = 'moved' | 'aborted' | 'stranded';

export type MoveEffect =
  | { readonly kind: 'ask'; readonly epoch: number; readonly question: number; readonly to: readonly Member[] }
  /** Everybody gets to know its part, to be taken up at the new holder's own word. Binds nobody. */
  | { readonly kind: 'prepare'; readonly epoch: number; readonly holder: Member; readonly leaving: Member | null }
  | { readonly kind: 'timer'; readonly step: number; readonly afterMs: number }
  | { readonly kind: 'append_started'; readonly epoch: number; readonly to: Member }
  | { readonly kind: 'append_failed'; readonly epoch: number; readonly to: Member; readonly reason: string }
  | { readonly kind: 'append_moved'; readonly epoch: number; readonly to: Member; readonly report: MoveReport }
  | { readonly kind: 'append_stranded'; readonly reason: string }
  | {
      readonly kind: 'push';
      readonly epoch: number;
      readonly holder: Member;
      readonly to: readonly Member[];
      readonly releaseAfterMove: boolean;
    }
  /** The new holder answers: who has no agent (devices) may be sent there now. */
  | { readonly kind: 'holder_ready'; readonly epoch: number; readonly holder: Member }
  | { readonly kind: 'finish'; readonly outcome: MoveOutcome; readonly detail: string };

export interface MoveStep {
  readonly state: MoveState;
  readonly effects: readonly MoveEffect[];
}

export const ASK_MS = 300;
/** An onlooker tries for 1.5 s to get an answer from the VIP. */
export const LOOK_MS = 2_000;
/** A lone holder that nobody can look at is believed to be gone after this. */
export const UNHEARD_LIMIT_MS = 30_000;
export const HOLDER_DEADLINE_MS = 1_000;
/** In a planned move somebody answers all the time: nothing is lost by waiting for a word that comes a slow way. */
export const PLANNED_HOLDER_DEADLINE_MS = 2_500;
export const RESET_MS = 100;
export const SPREAD_DEADLINE_MS = 1_000;
export const RELEASE_DEADLINE_MS = 1_000;
/** For so long the old holder goes on answering devices; its lease, which it has given back, still runs for about as long. */
export const LINGER_MS = 250;

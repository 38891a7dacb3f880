import { crc32 } from 'node:zlib';
import { ROLE, TimestampUnwrapper } from '@forebay/rtp';
import type { StreamRecording } from './recording.js';

/** How many frames a picture may be sent before its turn: up to three B-frames (and one for rounding). */
const REORDER_FRAMES = 4;
/** A step between timestamps counts as a gap when it is longer than this many usual ones. */
const GAP_STEPS = 1.5;

/** An access unit as it arrived: a picture, or the audio frames of one packet. */
export interface AccessUnit {
  /** Unwrapped: the first of the recording is as it came. */
  readonly timestampTicks: number;
  /** CRC-32 over the CRC-32s of its payloads, parameter sets left out if so asked. */
  readonly hash: number;
  readonly packets: number;
  readonly randomAccess: boolean;
  /** Of its last packet. */
  readonly arrivalMs: number;
}

export interface AccessUnitOptions {
  /** Index of the first packet to look at; default 0. */
  readonly from?: number;
  /** False leaves packets of parameter sets, delimiters and messages out of the hashes; default true. */
  readonly parameterSets?: boolean;
}

/** Breaks in one stream. All zero is what a player wants to see. */
export interface StreamContinuity {
  readonly stream: number;
  readonly packets: number;
  readonly accessUnits: number;
  /** Sequence numbers that never came, between the first and the last. */
  readonly sequenceGaps: number;
  /** Packets whose sequence number had come before. */
  readonly sequenceRepeats: number;
  /** Packets that came after one with a higher number. */
  readonly sequenceBackSteps: number;
  readonly ssrcChanges: number;
  /** Access units, in order of sequence, that step back further than pictures are reordered, or over a key frame. */
  readonly timestampBackSteps: number;
  /** Access units whose timestamp had been there before. */
  readonly timestampRepeats: number;
  /** Steps between neighbouring timestamps that are more than one and a half times the usual one. */
  readonly timestampGaps: number;
  /** Media time missing in those gaps. */
  readonly gapSeconds: number;
}

export type Continuity = Omit<StreamContinuity, 'stream' | 'packets' | 'accessUnits'> & {
  readonly streams: readonly StreamContinuity[];
};

/**
 * The access units of a recording in order of sequence; packets that came twice count once. A new one begins at another
 * timestamp, or after a marker on picture data: so a run of pictures under one timestamp (GStreamer, after a seek to an
 * exact key frame) comes apart, and a marker on an SEI (some cameras) tears nothing apart.
 */
export function accessUnitsOf(recording: StreamRecording, options: AccessUnitOptions = {}): AccessUnit[] {
  const { timestamps, markers, roles, hashes, arrivalsMs } = recording;
  const isAudio = recording.stream.media === 'audio';
  const ticks = new TimestampUnwrapper();
  const units: AccessUnit[] = [];
  const word = Buffer.alloc(4);
  let open: { -readonly [K in keyof AccessUnit]: AccessUnit[K] } | undefined;
  let complete = true;
  for (const i of inSequence(recording, options.from ?? 0)) {
    const unwrapped = ticks.unwrap(timestamps[i]!);
    if (open === undefined || complete || unwrapped !== open.timestampTicks) {
      open = { timestampTicks: unwrapped, hash: 0, packets: 0, randomAccess: false, arrivalMs: 0 };
      units.push(open);
      complete = false;
    }
    const role = roles[i]!;
    open.packets += 1;
    open.randomAccess ||= role === ROLE.randomAccess;
    open.arrivalMs = arrivalsMs[i]!;
    if (role !== ROLE.parameter || options.parameterSets !== false) {
      word.writeUInt32BE(hashes[i]!);
      open.hash = crc32(word, open.hash);
    }
    if (markers[i] === 1 && (isAudio || role !== ROLE.parameter)) complete = true;
  }
  return units;
}

/** Indexes of the packets by sequence number, each number once. */
function inSequence(recording: StreamRecording, from: number): number[] {
  const { sequences } = recording;
  const order: number[] = [];
  for (let i = from; i < sequences.length; i++) order.push(i);
  order.sort((a, b) => sequences[a]! - sequences[b]! || a - b);
  return order.filter((i, at) => at === 0 || sequences[i] !== sequences[order[at - 1]!]);
}

/** Looks for breaks in one stream from packet `from` on. */
export function continuityOf(recording: StreamRecording, from = 0): StreamContinuity {
  return {
    stream: recording.stream.index,
    packets: recording.count - from,
    ...sequenceBreaks(recording, from),
    ...timestampBreaks(recording, from),
  };
}

export function sumOf(streams: readonly StreamContinuity[]): Continuity {
  const total = (key: Exclude<keyof Continuity, 'streams'>): number =>
    streams.reduce((sum, stream) => sum + stream[key], 0);
  return {
    sequenceGaps: total('sequenceGaps'),
    sequenceRepeats: total('sequenceRepeats'),
    sequenceBackSteps: total('sequenceBackSteps'),
    ssrcChanges: total('ssrcChanges'),
    timestampBackSteps: total('timestampBackSteps'),
    timestampRepeats: total('timestampRepeats'),
    timestampGaps: total('timestampGaps'),
    gapSeconds: total('gapSeconds'),
    streams,
  };
}

function sequenceBreaks(recording: StreamRecording, from: number) {
  const { sequences, ssrcs } = recording;
  const seen = new Set<number>();
  let [lowest, highest] = [Infinity, -Infinity];
  let [sequenceBackSteps, ssrcChanges] = [0, 0];
  for (let i = from; i < sequences.length; i++) {
    const sequence = sequences[i]!;
    seen.add(sequence);
    if (sequence < highest) sequenceBackSteps += 1;
    if (i > from && ssrcs[i] !== ssrcs[i - 1]) ssrcChanges += 1;
    lowest = Math.min(lowest, sequence);
    highest = Math.max(highest, sequence);
  }
  const sequenceGaps = seen.size === 0 ? 0 : highest - lowest + 1 - seen.size;
  return {
    sequenceGaps,
    sequenceRepeats: sequences.length - from - seen.size,
    sequenceBackSteps,
    ssrcChanges,
  };
}

function timestampBreaks(recording: StreamRecording, from: number) {
  const units = accessUnitsOf(recording, { from });
  const sorted = units.map((unit) => unit.timestampTicks).sort((a, b) => a - b);
  const steps = sorted.slice(1).map((ticks, i) => ticks - sorted[i]!);
  const usualTicks = median(steps.filter((step) => step > 0));
  let [timestampGaps, gapTicks] = [0, 0];
  for (const step of steps) {
    if (step <= usualTicks * GAP_STEPS) continue;
    timestampGaps += 1;
    gapTicks += step - usualTicks;
  }
  return {
    accessUnits: units.length,
    timestampBackSteps: backSteps(recording, units, usualTicks),
    timestampRepeats: steps.filter((step) => step === 0).length,
    timestampGaps,
    gapSeconds: gapTicks / recording.stream.clockRate,
  };
}

function backSteps(recording: StreamRecording, units: readonly AccessUnit[], usualTicks: number): number {
  const reorders = recording.classifier?.intraOnly !== true;
  const closedGroups = recording.stream.encoding === 'H264';
  const toleranceTicks = reorders ? REORDER_FRAMES * usualTicks : 0;
  let [count, highest, keyFrame] = [0, -Infinity, -Infinity];
  for (const { timestampTicks, randomAccess } of units) {
    const overKeyFrame =
      reorders && closedGroups && (timestampTicks < keyFrame || (randomAccess && timestampTicks < highest));
    if (timestampTicks < highest - toleranceTicks || overKeyFrame) count += 1;
    highest = Math.max(highest, timestampTicks);
    if (randomAccess) keyFrame = timestampTicks;
  }
  return count;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

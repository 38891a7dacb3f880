import type { PlayReply, RigViewer } from '@forebay/rig';
import type { Test } from 'tap';
import { type Abroad, open, PATIENCE_MS } from './interop-support.js';

/** One access unit of a play from the beginning. */
interface Unit {
  readonly hash: number;
  readonly nptSeconds: number;
  readonly randomAccess: boolean;
}

/** A play from the beginning to the end. */
export interface Linear {
  /** In the order in which they were sent. */
  readonly streams: readonly (readonly Unit[])[];
  readonly hasPictures: boolean;
  /** Steps between timestamps that are longer than usual: some files have them. */
  readonly timestampGaps: number;
}

/** Plays straight from the origin, and takes times from what its packets say. */
export async function playDirect(abroad: Abroad, title: string): Promise<Linear> {
  const viewer = await open(abroad.origin.url(`/${title}`), 'tcp');
  const reply = await viewer.play({ range: 'npt=0-' });
  await viewer.ended({ timeoutMs: abroad.timeoutMs });
  await viewer.teardown();
  await viewer.close();
  return {
    streams: unitsOf(viewer, reply),
    hasPictures: viewer.recordings[0]?.stream.media === 'video',
    timestampGaps: viewer.continuity().timestampGaps,
  };
}

/** Everything since the last PLAY, by stream. */
function unitsOf(viewer: RigViewer, reply: PlayReply): Linear['streams'] {
  return viewer.recordings.map(({ stream }) => {
    const rtptime = reply.rtpInfo[stream.index]?.rtptime;
    if (rtptime === undefined || reply.startSeconds === undefined) throw new Error('no RTP-Info or no Range');
    const start = reply.startSeconds;
    const units = viewer.accessUnits(stream.index, {
      from: firstOf(viewer, stream.index, reply),
      parameterSets: false,
    });
    return units.map(({ hash, timestampTicks, randomAccess }) => ({
      hash,
      nptSeconds: start + ((timestampTicks - rtptime) | 0) / stream.clockRate,
      randomAccess,
    }));
  });
}

/** Index of the first packet of the range that `reply` announces. */
function firstOf(viewer: RigViewer, stream: number, reply: PlayReply): number {
  const { sequences, firstPacket } = viewer.recording(stream);
  const announced = reply.rtpInfo[stream]?.seq;
  const at = sequences.findLastIndex((sequence) => (sequence & 0xffff) === announced);
  return at < 0 ? firstPacket : at;
}

/** What a range must look like beside the same title played from the beginning. */
export interface Expected {
  readonly linear: Linear;
  readonly reply: PlayReply;
  /** It was played to the end of the title. */
  readonly toTheEnd?: boolean;
  /** It was played to this end of the range. */
  readonly toSeconds?: number;
  /**
   * It goes on after a pause, and there is no key frame to start with. By stream: the unit of the linear play that comes next
   * after what was sent before.
   */
  readonly resumesWith?: readonly number[];
}

/** Whether the range begins with further packets of the unit that was sent last before it. */
function goesOnWithin(viewer: RigViewer, stream: number, reply: PlayReply): boolean {
  const { timestamps } = viewer.recording(stream);
  const first = firstOf(viewer, stream, reply);
  return first > 0 && timestamps[first] === timestamps[first - 1];
}

/** By stream: the unit of the linear play that follows what has come since the PLAY that `reply` answered. */
export function followingUnits(viewer: RigViewer, linear: Linear, reply: PlayReply): number[] {
  return unitsOf(viewer, reply).map((units, i) => placeOf(linear.streams[i]!, units) + units.length);
}

/**
 * Since the last PLAY the viewer got an unbroken run of the linear play, video from the key frame that the answer names, audio
 * from there, at the times that Range and RTP-Info promise.
 */
export function assertRun(t: Test, viewer: RigViewer, name: string, expected: Expected): void {
  const { linear, reply } = expected;
  for (const [i, units] of unitsOf(viewer, reply).entries()) {
    const { media } = viewer.recording(i).stream;
    const label = `${name}: ${media}`;
    const whole = linear.streams[i]!;
    const isWhole = expected.toTheEnd === true || expected.toSeconds !== undefined;
    // A unit that is arriving may be incomplete, and a pause may have come between the packets of one.
    const isTorn = expected.resumesWith !== undefined && goesOnWithin(viewer, i, reply);
    const got = withLeading(whole, units.slice(isTorn ? 1 : 0, isWhole ? undefined : -1));
    const at = placeOf(whole, got);
    const found = at >= 0 ? '' : `: ${pathOf(whole, got)}`;
    t.ok(at >= 0, `${label}: ${got.length} units are a run of the play from the beginning${found}`);
    const sequence = viewer.recording(i).sequences[firstOf(viewer, i, reply)]! & 0xffff;
    t.equal(sequence, reply.rtpInfo[i]?.seq, `${label}: first sequence number as announced`);
    if (at < 0) continue;
    if (expected.toTheEnd === true) t.equal(at + got.length, whole.length, `${label}: to the last`);
    if (expected.toSeconds !== undefined) {
      // In decoding order: what the last picture before the end refers to comes before it, and may have more that refer to it.
      const end = whole.findLastIndex(({ nptSeconds }) => nptSeconds < expected.toSeconds! - 0.002) + 1;
      const over = at + got.length - end;
      const newest = Math.max(...whole.slice(at, end).map(({ nptSeconds }) => nptSeconds));
      const isNeeded = over >= 0 && whole.slice(end, end + over).every((unit) => unit.nptSeconds < newest);
      t.ok(
        media === 'audio' ? Math.abs(over) <= 1 : isNeeded,
        `${label}: ${over} beyond the end of the range`,
      );
    }
    assertStart(t, label, { media, first: got[0]!, same: whole[at]!, ...expected });
    // An origin that has much to do sends audio behind its pictures, and so it goes on after a pause.
    if (media === 'audio' && expected.resumesWith !== undefined)
      t.equal(at, expected.resumesWith[i], `${label}: right behind what came before`);
  }
}

interface Beginning extends Expected {
  readonly media: string;
  /** The first unit that came, and what it is in the linear play. */
  readonly first: Unit;
  readonly same: Unit;
}

/** The first unit is where and when Range and RTP-Info promise it. */
function assertStart(t: Test, label: string, o: Beginning): void {
  const start = o.reply.startSeconds ?? NaN;
  const offMs = Math.abs(o.first.nptSeconds - o.same.nptSeconds) * 1000;
  const late = o.same.nptSeconds - start;
  if (o.media === 'video') {
    t.ok(offMs < 1.5, `${label}: off by ${offMs.toFixed(2)} ms`);
    if (o.resumesWith !== undefined) return;
    t.ok(o.same.randomAccess, `${label}: starts with a key frame`);
    t.ok(Math.abs(late) < 0.05, `${label}: ${o.same.nptSeconds} is the start ${start}`);
  } else {
    // GStreamer counts audio from where it was asked to seek to, which lies within a frame.
    t.ok(offMs < 22, `${label}: off by ${offMs.toFixed(2)} ms`);
    if (o.resumesWith !== undefined) return;
    t.ok(Math.abs(late - 0.05) < 0.1, `${label}: begins ${late.toFixed(3)} s after the start`);
  }
}

/**
 * With the pictures that are shown before the key frame which it begins with: who starts in an open group of pictures cannot
 * decode them, and may be sent none of them.
 */
function withLeading(whole: readonly Unit[], part: readonly Unit[]): readonly Unit[] {
  const [first, next] = part;
  const at = first === undefined ? -1 : placeOf(whole, [first]);
  if (first === undefined || next === undefined || at < 0) return part;
  const trailing = whole.findIndex((unit, i) => i > at && unit.nptSeconds > whole[at]!.nptSeconds);
  if (whole[at + 1]?.hash === next.hash || whole[trailing]?.hash !== next.hash) return part;
  return [first, ...whole.slice(at + 1, trailing), ...part.slice(1)];
}

/** Where `part` lies in `whole` as a run, nearest to the time it is said to be at; -1 if nowhere. */
function placeOf(whole: readonly Unit[], part: readonly Unit[]): number {
  const first = part[0];
  if (first === undefined) return -1;
  const places = whole
    .flatMap(({ hash }, i) => (hash === first.hash ? [i] : []))
    .filter((i) => part.every(({ hash }, k) => whole[i + k]?.hash === hash));
  const distance = (i: number): number => Math.abs(whole[i]!.nptSeconds - first.nptSeconds);
  return places.sort((a, b) => distance(a) - distance(b))[0] ?? -1;
}

/** How `part` runs through `whole`, for those who look for the cause: stretches of indexes, `?` for what is not there. */
function pathOf(whole: readonly Unit[], part: readonly Unit[]): string {
  const stretches: string[] = [];
  let [from, at] = [-1, -1];
  const close = (): void => void (from >= 0 && stretches.push(`${from}-${at}`));
  for (const unit of part) {
    if (at >= 0 && whole[at + 1]?.hash === unit.hash) {
      at += 1;
      continue;
    }
    close();
    const next = placeOf(whole, [unit]);
    if (next < 0) stretches.push('?');
    [from, at] = [next, next];
  }
  close();
  return stretches.join(' ');
}

/** One RTP timeline over everything that the viewer ever got; beside a `linear` play without a gap of its own either. */
export function assertContinuous(t: Test, viewer: RigViewer, name: string, linear?: Linear): void {
  const found = viewer.continuity();
  const { sequenceGaps, sequenceRepeats, sequenceBackSteps, ssrcChanges, timestampBackSteps } = found;
  t.same(
    { sequenceGaps, sequenceRepeats, sequenceBackSteps, ssrcChanges, timestampBackSteps },
    { sequenceGaps: 0, sequenceRepeats: 0, sequenceBackSteps: 0, ssrcChanges: 0, timestampBackSteps: 0 },
    `${name}: one unbroken timeline`,
  );
  t.equal(found.timestampRepeats, 0, `${name}: no timestamp twice`);
  if (linear !== undefined)
    t.equal(found.timestampGaps, linear.timestampGaps, `${name}: no gap in timestamps`);
  for (const { ssrcs, announcedSsrc } of viewer.recordings)
    t.equal(ssrcs[0], announcedSsrc, `${name}: SSRC as announced`);
}

/** Waits until every stream has come as far as `nptSeconds`. */
export async function reached(viewer: RigViewer, reply: PlayReply, nptSeconds: number): Promise<void> {
  const isThere = (): boolean =>
    viewer.recordings.every(({ stream, timestamps, firstPacket, count }) => {
      const rtptime = reply.rtpInfo[stream.index]?.rtptime ?? NaN;
      if (count <= firstPacket) return false;
      const ticks = (timestamps[count - 1]! - rtptime) | 0;
      return (reply.startSeconds ?? NaN) + ticks / stream.clockRate >= nptSeconds;
    });
  await viewer.until(isThere, { timeoutMs: PATIENCE_MS, what: `NPT ${nptSeconds}` });
}

/** NPT of the last key frame at or before `nptSeconds`. */
export function keyFrameBefore(linear: Linear, nptSeconds: number): number {
  const video = linear.streams[0]!.filter(
    (unit) => unit.randomAccess && unit.nptSeconds <= nptSeconds + 0.002,
  );
  return video.at(-1)?.nptSeconds ?? 0;
}

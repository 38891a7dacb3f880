import { randomBytes } from 'node:crypto';
import { formatSenderReport, ntpFromUnix } from '@forebay/rtp';
import { entryAt, TITLE_FLAG } from '../title/title.js';
import type { Title } from '../title/title.js';
import type { OriginFaults } from './faults.js';
import type { Leg } from './leg.js';
import { StreamClock } from './stream-clock.js';

const REPORT_INTERVAL_MS = 5000;
/** RTP version 2, nothing else. */
const FIRST_BYTE = 0x80;

/** A title at a path. */
export interface Mount {
  readonly path: string;
  readonly title: Title;
  readonly live: boolean;
  readonly faults: OriginFaults;
}

/** What a session tells its origin. */
export interface SessionHost {
  /** @param bytes of RTP, headers included */
  sent(path: string, packets: number, bytes: number): void;
  /** The script says that the connection ends now. */
  died(session: OriginSession): void;
  /** When live titles began, on the monotonic clock. */
  readonly epochMs: number;
}

export interface PlayOptions {
  /** Undefined: from where it stands. */
  readonly startSeconds: number | undefined;
  readonly endSeconds: number | undefined;
  /** Media seconds a second. */
  readonly speed: number;
  readonly squeezed: boolean;
  /** Of video only key frames. */
  readonly thinned: boolean;
  readonly faults: OriginFaults;
}

/** One play in progress. */
interface Run {
  readonly title: Title;
  readonly startMicros: number;
  readonly endMicros: number;
  readonly speed: number;
  readonly squeezed: boolean;
  readonly thinned: boolean;
  readonly faults: OriginFaults;
  /** Packets before this one are sent at once, under the timestamp of the start. */
  readonly clampedBefore: number;
  /** Parameter sets to send once more at the start. */
  readonly repeats: readonly number[];
}

/** One viewer's session at the origin: where it stands in its title, and the pace at which it is sent. */
export class OriginSession {
  readonly id = randomBytes(8).toString('hex');
  readonly mount: Mount;
  /** By stream; undefined where it was not set up. */
  readonly clocks: (StreamClock | undefined)[] = [];
  state: 'ready' | 'playing' | 'ended' = 'ready';
  /** Channels or ports, by stream. */
  readonly places: (readonly [number, number] | undefined)[] = [];
  leg: Leg | undefined;
  lastSeenMs: number;
  packetsSent = 0;
  readonly #host: SessionHost;
  #run: Run | undefined;
  #cursor = 0;
  #lap = 0;
  #positionMicros = 0;
  #startMs = 0;
  #reportedMs = 0;
  /** The picture that is being sent is thinned out. */
  #isThinned = false;

  constructor(mount: Mount, host: SessionHost, nowMs: number) {
    this.mount = mount;
    this.#host = host;
    this.lastSeenMs = nowMs;
  }

  /** A stream was set up. */
  add(stream: number): StreamClock {
    const clock = new StreamClock(this.mount.title.streams[stream]!.clockRate);
    this.clocks[stream] = clock;
    return clock;
  }

  /** Where the media stands, seconds of NPT. */
  positionSeconds(nowMs: number): number {
    return this.#mediaMicros(nowMs) / 1e6;
  }

  /**
   * Takes the session to where it will play; start() then sends.
   * @returns NPT of the first packet, and of the end
   */
  cue(options: PlayOptions, nowMs: number): { startSeconds: number; endSeconds: number } {
    return this.mount.live ? this.#cueLive(options, nowMs) : this.#cueTitle(options, nowMs);
  }

  start(nowMs: number): void {
    const run = this.#run;
    if (run === undefined) return;
    this.state = 'playing';
    this.#startMs = nowMs;
    this.#report(nowMs);
    for (const packet of run.repeats) this.#send(run, packet);
    this.tick(nowMs);
  }

  pause(nowMs: number): void {
    this.#positionMicros = this.#mediaMicros(nowMs);
    this.state = 'ready';
  }

  /** Sends what is due. */
  tick(nowMs: number): void {
    const run = this.#run;
    if (run === undefined || this.state === 'ready') return;
    if (this.state === 'playing') this.#sendDue(run, nowMs);
    if (nowMs - this.#reportedMs >= REPORT_INTERVAL_MS) this.#report(nowMs);
  }

  #cueTitle(options: PlayOptions, nowMs: number): { startSeconds: number; endSeconds: number } {
    const { faults, speed, squeezed, thinned } = options;
    const fromSeconds = this.positionSeconds(nowMs);
    const isResume = options.startSeconds === undefined && this.state === 'ready' && this.#run !== undefined;
    const wanted = faults.seek === undefined ? (options.startSeconds ?? 0) : 0;
    const title = isResume
      ? this.#run!.title
      : wanted > 0
        ? (faults.afterSeek ?? this.mount.title)
        : this.mount.title;
    const entry = isResume ? { packet: this.#cursor, startSeconds: fromSeconds } : entryAt(title, wanted);
    const isSeek = !isResume && entry.startSeconds > 0;
    const before =
      isSeek && faults.clampPreviousGroup === true
        ? entryAt(title, entry.startSeconds - 0.001).packet
        : undefined;
    const end = Math.min(
      options.endSeconds ?? Infinity,
      title.durationSeconds,
      typeof faults.bye === 'number' ? faults.bye : Infinity,
    );
    if (this.#run !== undefined && !isResume) this.#moveClocks(fromSeconds, entry.startSeconds, faults);
    for (const clock of this.clocks)
      if (clock) clock.clampedLeft = isSeek ? (faults.clampAudioPackets ?? 0) : 0;
    this.#run = {
      title,
      startMicros: entry.startSeconds * 1e6,
      endMicros: end * 1e6,
      speed,
      squeezed,
      thinned,
      faults,
      clampedBefore: before === undefined ? 0 : entry.packet,
      repeats: isSeek ? parameterSetsAt(title, entry.packet, faults.repeatParameterSets ?? 0) : [],
    };
    this.#cursor = before ?? entry.packet;
    this.#positionMicros = entry.startSeconds * 1e6;
    this.#startMs = nowMs;
    return {
      startSeconds: entry.startSeconds,
      endSeconds: Math.min(options.endSeconds ?? Infinity, title.durationSeconds),
    };
  }

  #cueLive({ faults }: PlayOptions, nowMs: number): { startSeconds: number; endSeconds: number } {
    const { title } = this.mount;
    const positionMicros = (nowMs - this.#host.epochMs) * 1000;
    const lapMicros = title.durationSeconds * 1e6;
    this.#lap = Math.floor(positionMicros / lapMicros);
    const withinMicros = positionMicros - this.#lap * lapMicros;
    const { count, dueMicros, flags, streams } = title.packets;
    const isEntry = (i: number): boolean =>
      faults.liveKeyFrame !== true || (streams[i] === 0 && (flags[i]! & TITLE_FLAG.randomAccess) !== 0);
    let cursor = 0;
    while (cursor < count && (dueMicros[cursor]! < withinMicros || !isEntry(cursor))) cursor += 1;
    this.#cursor = cursor;
    this.#positionMicros = positionMicros;
    this.#startMs = nowMs;
    const pace = { speed: 1, squeezed: false, thinned: false, clampedBefore: 0, repeats: [] };
    this.#run = { title, startMicros: positionMicros, endMicros: Infinity, faults, ...pace };
    return { startSeconds: positionMicros / 1e6, endSeconds: Infinity };
  }

  #moveClocks(fromSeconds: number, toSeconds: number, faults: OriginFaults): void {
    for (const clock of this.clocks) {
      if (faults.timestamps === 'reset') clock?.reset(toSeconds);
      else clock?.jump(fromSeconds, toSeconds);
    }
  }

  #mediaMicros(nowMs: number): number {
    const run = this.#run;
    if (run === undefined || this.state !== 'playing') return this.#positionMicros;
    const elapsedMs = Math.max(0, nowMs - this.#startMs);
    return Math.min(run.endMicros, this.#positionMicros + elapsedMs * 1000 * run.speed);
  }

  #sendDue(run: Run, nowMs: number): void {
    const mediaMicros = this.#mediaMicros(nowMs);
    const { count, dueMicros } = run.title.packets;
    const { live } = this.mount;
    const lapMicros = run.title.durationSeconds * 1e6;
    const leg = this.leg!;
    const room = leg.room();
    let [packets, bytes] = [0, 0];
    let isThrough = false;
    while (packets < room.packets && bytes < room.bytes && this.state === 'playing') {
      if (live && this.#cursor === count) {
        this.#cursor = 0;
        this.#lap += 1;
      }
      const dueAt = this.#cursor < count ? dueMicros[this.#cursor]! + this.#lap * lapMicros : Infinity;
      isThrough = dueAt >= run.endMicros;
      if (isThrough || (this.#cursor >= run.clampedBefore && dueAt > mediaMicros)) break;
      const size = this.#send(run, this.#cursor);
      bytes += size;
      if (size > 0) packets += 1;
      this.#cursor += 1;
    }
    leg.flush();
    this.#host.sent(this.mount.path, packets, bytes);
    if (isThrough && mediaMicros >= run.endMicros) this.#finish(run, nowMs);
  }

  /** @returns bytes of RTP handed over */
  #send(run: Run, packet: number): number {
    const { title, faults } = run;
    const { streams, ticks, flags, payloadBytes } = title.packets;
    const stream = streams[packet]!;
    const clock = this.clocks[stream];
    if (clock === undefined || this.packetsSent >= (faults.stallAtPacket ?? Infinity)) return 0;
    if (run.thinned && title.streams[stream]!.media === 'video') {
      if ((flags[packet]! & TITLE_FLAG.accessUnitStart) !== 0)
        this.#isThinned = (flags[packet]! & TITLE_FLAG.randomAccess) === 0;
      if (this.#isThinned) return 0;
    }
    if (this.packetsSent >= (faults.dieAtPacket ?? Infinity)) {
      this.state = 'ended';
      this.leg!.flush();
      this.#host.died(this);
      return 0;
    }
    this.packetsSent += 1;
    const sequence = clock.next();
    if (faults.loseEvery !== undefined && this.packetsSent % faults.loseEvery === 0) return 0;
    const size = payloadBytes[packet]!;
    const { bytes, at } = this.leg!.packet(stream, size);
    bytes[at] = FIRST_BYTE;
    bytes[at + 1] =
      title.streams[stream]!.payloadType | ((flags[packet]! & TITLE_FLAG.marker) === 0 ? 0 : 0x80);
    bytes.writeUInt16BE(sequence, at + 2);
    bytes.writeUInt32BE(this.#timestampOf(run, packet, clock, ticks[packet]!), at + 4);
    bytes.writeUInt32BE(clock.ssrc, at + 8);
    title.writePayload(packet, this.#lap, bytes, at + 12);
    clock.packetCount += 1;
    clock.octetCount += size;
    return 12 + size;
  }

  #timestampOf(run: Run, packet: number, clock: StreamClock, ticks: number): number {
    const startTicks = (run.startMicros / 1e6) * clock.clockRate;
    const isAudio = run.title.streams[run.title.packets.streams[packet]!]!.media === 'audio';
    if (packet < run.clampedBefore) return clock.timestamp(startTicks);
    if (isAudio && clock.clampedLeft > 0) {
      clock.clampedLeft -= 1;
      return clock.timestamp(startTicks);
    }
    const unwrapped = ticks + this.#lap * Math.round(run.title.durationSeconds * clock.clockRate);
    return clock.timestamp(run.squeezed ? startTicks + (unwrapped - startTicks) / run.speed : unwrapped);
  }

  #finish(run: Run, nowMs: number): void {
    this.#positionMicros = run.endMicros;
    this.state = 'ended';
    this.#report(nowMs, run.faults.bye !== 'never');
  }

  /** A sender report for each stream, all of one mapping. */
  #report(nowMs: number, bye = false): void {
    this.#reportedMs = nowMs;
    const { seconds, fraction } = ntpFromUnix(Date.now());
    const position = this.positionSeconds(nowMs);
    this.clocks.forEach((clock, stream) => {
      if (clock === undefined) return;
      const { ssrc, packetCount, octetCount } = clock;
      const report = {
        ssrc,
        ntpSeconds: seconds,
        ntpFraction: fraction,
        rtpTimestamp: clock.timestampAt(position),
      };
      this.leg?.rtcp(
        stream,
        formatSenderReport({ ...report, packetCount, octetCount, cname: 'rig-origin', bye }),
      );
    });
    this.leg?.flush();
  }
}

/** SPS and PPS of the access unit that begins at `packet`, `times` over. */
function parameterSetsAt(title: Title, packet: number, times: number): number[] {
  const { flags, streams, frames, count } = title.packets;
  const sets: number[] = [];
  for (let i = packet; i < count && sets.length < 8; i++) {
    if (streams[i] !== streams[packet] || frames[i] !== frames[packet]) break;
    if ((flags[i]! & TITLE_FLAG.parameter) !== 0) sets.push(i);
  }
  return Array.from({ length: times }, () => sets).flat();
}

import { randomBytes } from 'node:crypto';
import { formatSenderReport, ntpFromUnix, parseCompound, RtpError, type ReportBlock } from '@forebay/rtp';
import type { Clock } from '../clock.js';
import type { Metrics } from '../metrics.js';
import type { Timeline } from '../read/timeline.js';
import type { ReportSubject } from './transport.js';

/** One stream of a session, as reports name it. */
export interface ReportedStream {
  readonly stream: number;
  readonly ssrc: number;
  readonly clockRate: number;
}

/** Random and the same for all streams of a session, which ties them together. Source: RFC 7022 section 4.2. */
const CNAME_BYTES = 12;

/** Sender reports of one session. */
export class SenderReports {
  readonly #clock: Clock;
  readonly #cname = randomBytes(CNAME_BYTES).toString('base64');
  /** Wall clock minus monotonic clock, read once: a step of the wall clock does not tear the streams apart. */
  readonly #epochMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#epochMs = clock.unixMs() - clock.nowMs();
  }

  /** SR and SDES of `stream` as of now, and BYE with `bye`. Source: RFC 3550 section 6.4.1, 6.5, 6.6. */
  format(of: ReportedStream, timeline: Timeline, bye: boolean): Buffer {
    const nowMs = this.#clock.nowMs();
    const ntp = ntpFromUnix(this.#epochMs + nowMs);
    return formatSenderReport({
      ssrc: of.ssrc,
      ntpSeconds: ntp.seconds,
      ntpFraction: ntp.fraction,
      rtpTimestamp: timeline.rtpTimestampAt(of.stream, nowMs),
      packetCount: timeline.packetCount(of.stream),
      octetCount: timeline.octetCount(of.stream),
      cname: this.#cname,
      bye,
    });
  }
}

/** More than this is a viewer's mistake or lie: it is counted as this. */
const MAX_LOST = 65535;
const MAX_JITTER_SECONDS = 10;

/** What a viewer reports of our streams, read into metrics. Nothing else is ever done on its word: a BYE ends no session. */
export class ReceiverReports {
  readonly #metrics: Metrics;
  readonly #streams: readonly ReportedStream[];
  /** Cumulative loss that was counted, by SSRC. */
  readonly #counted = new Map<number, number>();

  /** @param streams may grow */
  constructor(metrics: Metrics, streams: readonly ReportedStream[]) {
    this.#metrics = metrics;
    this.#streams = streams;
  }

  /** Reads a compound. @returns undefined when it is malformed */
  read(bytes: Buffer, start: number, end: number): ReportSubject | undefined {
    let subject: ReportSubject = 'none';
    try {
      for (const packet of parseCompound(bytes, start, end)) {
        if (packet.type !== 'rr' && packet.type !== 'sr') continue;
        for (const block of packet.reports) {
          if (this.#count(block)) subject = 'ours';
          else if (subject === 'none') subject = 'other';
        }
      }
      return subject;
    } catch (error) {
      if (error instanceof RtpError) return undefined;
      throw error;
    }
  }

  #count(block: ReportBlock): boolean {
    const of = this.#streams.find((each) => each.ssrc === block.ssrc);
    if (of === undefined) return false;
    const lost = block.cumulativeLost - (this.#counted.get(of.ssrc) ?? 0);
    if (lost > 0) {
      this.#metrics.reportedLoss.inc(Math.min(lost, MAX_LOST));
      this.#counted.set(of.ssrc, block.cumulativeLost);
    }
    this.#metrics.viewerJitter.observe(Math.min(block.jitterTicks / of.clockRate, MAX_JITTER_SECONDS));
    return true;
  }
}

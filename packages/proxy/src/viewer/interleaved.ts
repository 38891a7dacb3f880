import type { PacketRun } from '@forebay/cache';
import type { TransportSpec } from '@forebay/rtsp';
import type { Timeline } from '../read/timeline.js';
import { FRAME_BYTES, payloadBytes, type MediaTransport, type TransportOwner } from './transport.js';
import type { Writer } from './writer.js';

const CHANNELS = 256;
const DOLLAR = 0x24;

/** Whom frames of a channel are for. */
export interface ChannelUse {
  readonly owner: TransportOwner;
  readonly kind: 'rtp' | 'rtcp';
}

/** The 256 interleaved channels of one connection, shared by its sessions. */
export class Channels {
  readonly #uses: (ChannelUse | undefined)[] = Array.from({ length: CHANNELS });

  use(channel: number): ChannelUse | undefined {
    return this.#uses[channel];
  }

  isFree(rtp: number): boolean {
    return this.#uses[rtp] === undefined && this.#uses[rtp + 1] === undefined;
  }

  /** The lowest free even pair. */
  freePair(): readonly [number, number] | undefined {
    for (let rtp = 0; rtp < CHANNELS; rtp += 2) {
      if (this.isFree(rtp)) return [rtp, rtp + 1];
    }
    return undefined;
  }

  take(rtp: number, owner: TransportOwner): void {
    this.#uses[rtp] = { owner, kind: 'rtp' };
    this.#uses[rtp + 1] = { owner, kind: 'rtcp' };
  }

  release(rtp: number): void {
    this.#uses[rtp] = undefined;
    this.#uses[rtp + 1] = undefined;
  }
}

/** Media and reports of one session inside its control connection. Source: RFC 2326 section 10.12. */
export class InterleavedTransport implements MediaTransport {
  readonly kind = 'tcp';
  readonly #writer: Writer;
  readonly #channels: Channels;
  readonly #owner: TransportOwner;
  /** RTP channel by stream. */
  readonly #channelOf: (number | undefined)[] = [];
  #isClosed = false;

  constructor(o: { writer: Writer; channels: Channels; owner: TransportOwner }) {
    this.#writer = o.writer;
    this.#channels = o.channels;
    this.#owner = o.owner;
  }

  /** True when `stream` can have the channels asked for, on the connection that has these `channels`. */
  fits(stream: number, asked: readonly [number, number] | undefined, channels: Channels): boolean {
    if (channels !== this.#channels) return false;
    const held = this.#channelOf[stream];
    if (asked === undefined) return held !== undefined || channels.freePair() !== undefined;
    return asked[0] === held || channels.isFree(asked[0]);
  }

  setUp(stream: number, asked: TransportSpec): TransportSpec {
    this.drop(stream);
    const pair = asked.interleaved ?? this.#channels.freePair() ?? [0, 1];
    this.#channels.take(pair[0], this.#owner);
    this.#channelOf[stream] = pair[0];
    return { lower: 'tcp', delivery: 'unicast', interleaved: pair };
  }

  drop(stream: number): void {
    const channel = this.#channelOf[stream];
    if (channel === undefined) return;
    this.#channels.release(channel);
    this.#channelOf[stream] = undefined;
  }

  writable(): boolean {
    return !this.#isClosed && this.#writer.idle;
  }

  /** One bulk copy, then the changing bytes in place, then one write: an object or a copy a packet would double the cost. */
  send(run: PacketRun, from: number, to: number, timeline: Timeline): number {
    if (this.#isClosed || from >= to) return 0;
    const { offsets } = run;
    const start = offsets[from]!;
    const bytes = offsets[to]! - start;
    const batch = this.#writer.take(bytes);
    const { bytes: target, view } = batch;
    // Streams are set up in any order, and may be fewer than the run carries: packets then close up.
    run.bytes.copy(target, 0, start, start + bytes);
    let end = 0;
    for (let i = from; i < to; i++) {
      const stream = run.streams[i]!;
      const channel = this.#channelOf[stream];
      if (channel === undefined) continue;
      const at = offsets[i]! - start;
      const next = offsets[i + 1]! - start;
      if (at !== end) target.copyWithin(end, at, next);
      const packet = end + FRAME_BYTES;
      end += next - at;
      target[packet - 3] = channel;
      timeline.stamp(view, packet, stream, payloadBytes(target, packet, end));
    }
    this.#writer.writeBatch(batch, end);
    return end;
  }

  report(stream: number, compound: Buffer): void {
    const channel = this.#channelOf[stream];
    if (channel === undefined || this.#isClosed) return;
    const frame = Buffer.allocUnsafe(FRAME_BYTES + compound.length);
    frame[0] = DOLLAR;
    frame[1] = channel + 1;
    frame.writeUInt16BE(compound.length, 2);
    compound.copy(frame, FRAME_BYTES);
    this.#writer.write(frame);
  }

  close(): void {
    this.#isClosed = true;
    this.#channelOf.forEach((_channel, stream) => this.drop(stream));
  }
}

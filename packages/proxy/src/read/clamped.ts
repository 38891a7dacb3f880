import { PACKET_FLAG, type PacketRun } from '@forebay/cache';
import { marker } from '@forebay/rtp';
import { packetTicks } from './cursor.js';

const FRAME_BYTES = 4;

/**
 * Packets at the beginning of a play that carry the timestamp of its start although they lie before it. GStreamer sends a
 * whole group of pictures so after a seek to an exact key frame, and some audio packets.
 */
export class Clamped {
  readonly #run: PacketRun;
  /** By stream: the first packet that is not. */
  readonly #firsts = new Map<number, number>();

  /** @param reference the stream of pictures, which goes on with a random access point */
  constructor(run: PacketRun, reference: number) {
    this.#run = run;
    for (const stream of new Set(run.streams.subarray(0, run.count))) {
      const last = this.#lastOfStart(stream);
      if (last < 0) continue;
      this.#firsts.set(stream, stream === reference ? this.#randomAccessFrom(last + 1, stream) : last);
    }
  }

  has(packet: number): boolean {
    return packet < (this.#firsts.get(this.#run.streams[packet]!) ?? 0);
  }

  /** The last packet under the first timestamp where several units are there; else -1. */
  #lastOfStart(stream: number): number {
    const { count, streams } = this.#run;
    let [units, last, first] = [0, -1, -1];
    for (let i = 0; i < count; i++) {
      if (streams[i] !== stream) continue;
      if (first < 0) first = i;
      if (packetTicks(this.#run, i) !== packetTicks(this.#run, first)) break;
      if (marker(this.#run.bytes, this.#run.offsets[i]! + FRAME_BYTES)) units++;
      last = i;
    }
    return units > 1 ? last : -1;
  }

  /** Where the first unit that decoding can start with begins, from `packet` on. */
  #randomAccessFrom(packet: number, stream: number): number {
    const { count, streams, flags } = this.#run;
    let start = -1;
    for (let i = packet; i < count; i++) {
      if (streams[i] !== stream) continue;
      if (start < 0 || packetTicks(this.#run, i) !== packetTicks(this.#run, start)) start = i;
      if ((flags[i]! & PACKET_FLAG.randomAccess) !== 0) return start;
    }
    return packet;
  }
}

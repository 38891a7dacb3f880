import { readFileSync } from 'node:fs';
import { RigError } from '../errors.js';
import { AAC_FRAME_TICKS, aacPackets, aacStream, AU_HEADER_BYTES, splitAdts, writeAuHeader } from './aac.js';
import type { AdtsStream } from './aac.js';
import {
  accessUnitsOfNals,
  FU_HEADER_BYTES,
  h264Fmtp,
  NAL,
  packetsOf,
  piecesOf,
  splitAnnexB,
} from './h264.js';
import type { Piece } from './h264.js';
import { tableOf } from './title.js';
import type { PacketTable, Title, TitlePacket, TitleStream } from './title.js';

const FOLDER = new URL('../../../../../fixtures/title/', import.meta.url);
const VIDEO_CLOCK_RATE = 90_000;
const FRAMES_PER_SECOND = 25;
const DEFAULT_PACKET_BYTES = 1200;

export interface BundledTitleOptions {
  /** Largest payload; default 1200. Another size gives other packets of the same pictures. */
  readonly packetBytes?: number;
}

/**
 * Twelve seconds of real H.264 and AAC that any player decodes, from fixtures/title: key frame every second, no
 * B-frames, about 0.25 Mbit/s.
 * @throws RigError `fixture`
 */
export function bundledTitle(options: BundledTitleOptions = {}): Title {
  const video = accessUnitsOfNals(splitAnnexB(readFixture('title.h264')));
  const audio = splitAdts(readFixture('title.aac'));
  if (audio === undefined || video.length === 0) throw new RigError('fixture', 'not Annex B and ADTS');
  return new BundledTitle(video, audio, options.packetBytes ?? DEFAULT_PACKET_BYTES);
}

function readFixture(name: string): Buffer {
  try {
    return readFileSync(new URL(name, FOLDER));
  } catch (cause) {
    throw new RigError('fixture', name, { cause });
  }
}

class BundledTitle implements Title {
  readonly streams: readonly TitleStream[];
  readonly durationSeconds: number;
  readonly packets: PacketTable;
  readonly #video: readonly (readonly Buffer[])[];
  readonly #pieces: readonly (readonly Piece[])[];
  readonly #audio: AdtsStream;

  constructor(video: readonly (readonly Buffer[])[], audio: AdtsStream, packetBytes: number) {
    this.#video = video;
    this.#audio = audio;
    this.#pieces = video.map((nals) => piecesOf(nals.map(planOf), packetBytes));
    this.durationSeconds = video.length / FRAMES_PER_SECOND;
    this.streams = [videoStream(video), aacStream(97, audio.sampleRate, audio.channels)];
    const audioFrames = Math.floor((this.durationSeconds * audio.sampleRate) / AAC_FRAME_TICKS);
    const audioBytes = audio.frames.slice(0, audioFrames).map((frame) => frame.length);
    this.packets = tableOf([this.#videoPackets(), aacPackets(1, audio.sampleRate, audioBytes)]);
  }

  writePayload(packet: number, _lap: number, target: Buffer, offset: number): void {
    const frame = this.packets.frames[packet]!;
    if (this.packets.streams[packet] === 1) {
      const bytes = this.#audio.frames[frame]!;
      writeAuHeader(target, offset, bytes.length);
      bytes.copy(target, offset + AU_HEADER_BYTES);
      return;
    }
    const piece = this.#pieces[frame]![this.packets.parts[packet]!]!;
    const nal = this.#video[frame]![piece.nal]!;
    if (piece.fu === undefined) {
      nal.copy(target, offset);
      return;
    }
    target[offset] = piece.fu[0];
    target[offset + 1] = piece.fu[1];
    nal.copy(
      target,
      offset + FU_HEADER_BYTES,
      piece.offset,
      piece.offset + piece.payloadBytes - FU_HEADER_BYTES,
    );
  }

  *#videoPackets(): Generator<TitlePacket> {
    for (const [frame, nals] of this.#video.entries()) {
      const ticks = (frame * VIDEO_CLOCK_RATE) / FRAMES_PER_SECOND;
      const place = { stream: 0, dueMicros: (frame * 1e6) / FRAMES_PER_SECOND, ticks, frame };
      yield* packetsOf(place, nals.map(planOf), this.#pieces[frame]!);
    }
  }
}

function planOf(nal: Buffer): { header: number; bytes: number } {
  return { header: nal[0]!, bytes: nal.length };
}

function videoStream(video: readonly (readonly Buffer[])[]): TitleStream {
  const find = (type: number): Buffer | undefined => video[0]?.find((nal) => (nal[0]! & 0x1f) === type);
  const [sps, pps] = [find(NAL.sps), find(NAL.pps)];
  if (sps === undefined || pps === undefined) throw new RigError('fixture', 'no parameter sets');
  const rtpmap = `H264/${VIDEO_CLOCK_RATE}`;
  return { media: 'video', payloadType: 96, clockRate: VIDEO_CLOCK_RATE, rtpmap, fmtp: h264Fmtp(sps, pps) };
}

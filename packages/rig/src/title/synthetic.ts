import { RigError } from '../errors.js';
import { AAC_FRAME_TICKS, aacPackets, aacStream, AU_HEADER_BYTES, writeAuHeader } from './aac.js';
import { FU_HEADER_BYTES, h264Fmtp, NAL, packetsOf, pieceAt, piecesOf } from './h264.js';
import type { NalPlan, Piece } from './h264.js';
import { NOISE_BYTES, parameterSet, STAMP_BYTES, writeStamped } from './stamp.js';
import { tableOf } from './title.js';
import type { PacketTable, Title, TitlePacket, TitleStream } from './title.js';

const VIDEO_CLOCK_RATE = 90_000;
const AUDIO_SAMPLE_RATE = 48_000;
/** A key frame is this many times as large as the usual picture. */
const KEY_FRAME_WEIGHT = 5;
const MOST_STREAMS = 16;
const NRI = 0x60;
/** A piece of a picture holds a stamp and some noise. */
const MIN_PIECE_BYTES = STAMP_BYTES + 20;

export interface SyntheticTitleOptions {
  readonly seconds: number;
  /** Default 25. */
  readonly fps?: number;
  /** Default 1. */
  readonly gopSeconds?: number;
  /** Pictures sent after the one that they come before; default 0. Groups of pictures stay closed. */
  readonly bFrames?: number;
  /** Default true; false leaves audio streams out. */
  readonly audio?: boolean;
  /** Default one video, one audio. At most 16. */
  readonly streams?: readonly ('video' | 'audio')[];
  /** Largest payload; default 1200. */
  readonly packetBytes?: number;
  /** Mean bitrate of each video stream; default 800. */
  readonly videoKbps?: number;
  /** Bytes of an audio frame; default 170 (64 kbit/s). */
  readonly audioFrameBytes?: number;
  /** 0 to 65535; titles with different seeds share no payload and no description. Default 1. */
  readonly seed?: number;
}

/**
 * Self-verifying media of any length: H.264 and AAC as far as packet headers go, no player decodes it. Each payload says
 * which it is, and its other bytes follow from that, so a viewer can check every byte without a copy (checkSynthetic).
 * Parameter sets come before every key frame, as GStreamer sends them.
 * @throws RigError `limit` for options out of bounds
 */
export function syntheticTitle(options: SyntheticTitleOptions): Title {
  return new SyntheticTitle({
    fps: 25,
    gopSeconds: 1,
    bFrames: 0,
    audio: true,
    streams: ['video', 'audio'],
    packetBytes: 1200,
    videoKbps: 800,
    audioFrameBytes: 170,
    seed: 1,
    ...options,
  });
}

type Settings = Required<SyntheticTitleOptions>;

/** A picture in the order sent. */
interface Picture {
  /** Position in the order sent, and in the order shown. */
  readonly frame: number;
  readonly shown: number;
  readonly kind: 'key' | 'reference' | 'between';
}

class SyntheticTitle implements Title {
  readonly streams: readonly TitleStream[];
  readonly durationSeconds: number;
  readonly packets: PacketTable;
  readonly #settings: Settings;
  /** Frames of a lap, by stream. */
  readonly #lapFrames: readonly number[];

  constructor(settings: Settings) {
    check(settings);
    this.#settings = settings;
    this.durationSeconds = settings.seconds;
    const kinds = settings.streams.filter((media) => settings.audio || media === 'video');
    this.streams = kinds.map((media, i) => streamOf(media, 96 + i, settings.seed));
    const pictures = Math.round(settings.seconds * settings.fps);
    const audioFrames = Math.ceil((settings.seconds * AUDIO_SAMPLE_RATE) / AAC_FRAME_TICKS);
    this.#lapFrames = kinds.map((media) => (media === 'video' ? pictures : audioFrames));
    this.packets = tableOf(
      kinds.map((media, stream) =>
        media === 'video'
          ? videoPackets(stream, settings)
          : aacPackets(stream, AUDIO_SAMPLE_RATE, repeated(settings.audioFrameBytes, audioFrames)),
      ),
    );
  }

  writePayload(packet: number, lap: number, target: Buffer, offset: number): void {
    const { streams, frames, parts, payloadBytes } = this.packets;
    const { seed, packetBytes } = this.#settings;
    const stream = streams[packet]!;
    const frame = frames[packet]!;
    const size = payloadBytes[packet]!;
    const part = parts[packet]!;
    const stamp = { seed, stream, frame: frame + lap * this.#lapFrames[stream]!, part };
    if (this.streams[stream]!.media === 'audio') {
      writeAuHeader(target, offset, size - AU_HEADER_BYTES);
      writeStamped(target, offset + AU_HEADER_BYTES, size - AU_HEADER_BYTES, stamp);
      return;
    }
    const nals = nalsOf(pictureAt(frame, this.#settings), this.#settings);
    const nal = Math.min(part, nals.length - 1);
    const { header } = nals[nal]!;
    if (nal < nals.length - 1) {
      parameterSet(header, seed).copy(target, offset);
      return;
    }
    const piece = pieceAt(nals[nal]!, { nal, packetBytes, i: part - nal });
    writePiece(target, offset, header, piece);
    const headerBytes = piece.fu === undefined ? 1 : FU_HEADER_BYTES;
    writeStamped(target, offset + headerBytes, size - headerBytes, stamp);
  }
}

function check({ seconds, fps, packetBytes, bFrames, gopSeconds, streams, seed }: Settings): void {
  if (!(seconds > 0 && seconds <= 86_400)) throw new RigError('limit', `${seconds} s`);
  if (!(fps >= 1 && fps <= 240 && gopSeconds * fps >= 1))
    throw new RigError('limit', `${fps} fps, ${gopSeconds} s`);
  if (!(packetBytes >= 64 && packetBytes <= NOISE_BYTES))
    throw new RigError('limit', `packets of ${packetBytes} bytes`);
  if (!(Number.isInteger(bFrames) && bFrames >= 0 && bFrames <= 3))
    throw new RigError('limit', `${bFrames} B-frames`);
  if (streams.length === 0 || streams.length > MOST_STREAMS)
    throw new RigError('limit', `${streams.length} streams`);
  if (!(Number.isInteger(seed) && seed >= 0 && seed <= 0xffff)) throw new RigError('limit', `seed ${seed}`);
}

function streamOf(media: 'video' | 'audio', payloadType: number, seed: number): TitleStream {
  if (media === 'audio') return aacStream(payloadType, AUDIO_SAMPLE_RATE, 2);
  const fmtp = h264Fmtp(parameterSet(NRI | NAL.sps, seed), parameterSet(NRI | NAL.pps, seed));
  return { media, payloadType, clockRate: VIDEO_CLOCK_RATE, rtpmap: `H264/${VIDEO_CLOCK_RATE}`, fmtp };
}

function* repeated(value: number, times: number): Generator<number> {
  for (let i = 0; i < times; i++) yield value;
}

function* videoPackets(stream: number, settings: Settings): Generator<TitlePacket> {
  const { fps, packetBytes } = settings;
  const count = Math.round(settings.seconds * fps);
  for (let frame = 0; frame < count; frame++) {
    const picture = pictureAt(frame, settings);
    const nals = nalsOf(picture, settings);
    const ticks = Math.round((picture.shown * VIDEO_CLOCK_RATE) / fps);
    const place = { stream, dueMicros: Math.round((frame * 1e6) / fps), ticks, frame };
    yield* packetsOf(place, nals, piecesOf(nals, packetBytes));
  }
}

/**
 * The picture sent as number `frame`. In a group of 9 with 2 B-frames pictures are sent in the order 0, 3 1 2, 6 4 5, 8 7:
 * the last one shown is a reference, so that nothing waits for the next group.
 */
function pictureAt(frame: number, { fps, gopSeconds, bFrames, seconds }: Settings): Picture {
  const groupFrames = Math.max(1, Math.round(gopSeconds * fps));
  const group = Math.floor(frame / groupFrames);
  const first = group * groupFrames;
  const within = frame - first;
  if (within === 0) return { frame, shown: frame, kind: 'key' };
  const last = Math.min(groupFrames, Math.round(seconds * fps) - first) - 1;
  const runStart = 1 + Math.floor((within - 1) / (bFrames + 1)) * (bFrames + 1);
  const runEnd = Math.min(runStart + bFrames, last);
  if (within === runStart) return { frame, shown: first + runEnd, kind: 'reference' };
  return { frame, shown: frame - 1, kind: 'between' };
}

/** NAL units of a picture: sizes vary by a quarter around what the bitrate gives, always in the same way. */
function nalsOf({ frame, kind }: Picture, settings: Settings): NalPlan[] {
  const { videoKbps, fps, gopSeconds, seed } = settings;
  const groupFrames = Math.max(1, Math.round(gopSeconds * fps));
  const meanBytes = (videoKbps * 125) / fps;
  const usualBytes = (meanBytes * groupFrames) / (groupFrames + KEY_FRAME_WEIGHT - 1);
  const variation = 0.75 + 0.5 * ((Math.imul(frame + 1, 0x9e3779b1) >>> 0) / 2 ** 32);
  const weight = kind === 'key' ? KEY_FRAME_WEIGHT : kind === 'between' ? 0.6 : 1.2;
  const flat = settings.bFrames === 0 && kind !== 'key' ? 1 : weight;
  const bytes = withRoom(
    Math.max(MIN_PIECE_BYTES, Math.round(usualBytes * flat * variation)),
    settings.packetBytes,
  );
  if (kind !== 'key') return [{ header: (kind === 'between' ? 0 : NRI) | NAL.slice, bytes }];
  const [sps, pps] = [NRI | NAL.sps, NRI | NAL.pps];
  return [
    { header: sps, bytes: parameterSet(sps, seed).length },
    { header: pps, bytes: parameterSet(pps, seed).length },
    { header: NRI | NAL.idr, bytes },
  ];
}

/** Enlarges a NAL unit whose last piece could not hold a stamp. */
function withRoom(bytes: number, packetBytes: number): number {
  const lastBytes = (bytes - 1) % (packetBytes - FU_HEADER_BYTES);
  return bytes > packetBytes && lastBytes < MIN_PIECE_BYTES ? bytes + MIN_PIECE_BYTES - lastBytes : bytes;
}

function writePiece(target: Buffer, offset: number, header: number, piece: Piece): void {
  target[offset] = piece.fu?.[0] ?? header;
  if (piece.fu !== undefined) target[offset + 1] = piece.fu[1];
}

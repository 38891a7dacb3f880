import type { TitlePacket, TitleStream } from './title.js';
import { TITLE_FLAG } from './title.js';

/** Samples of one AAC frame. Source: ISO/IEC 14496-3 */
export const AAC_FRAME_TICKS = 1024;
/** AU-headers-length and one AU header of 13 + 3 bits. Source: RFC 3640 section 3.2.1, 3.3.6 */
export const AU_HEADER_BYTES = 4;

const SAMPLING_FREQUENCIES = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000,
];
const AAC_LC = 2;

/** AAC as mode AAC-hbr, one frame a packet. */
export function aacStream(payloadType: number, sampleRate: number, channels: number): TitleStream {
  const frequencyIndex = SAMPLING_FREQUENCIES.indexOf(sampleRate);
  // AudioSpecificConfig: object type 5 bits, frequency index 4, channel configuration 4, three zero flags.
  const config = ((AAC_LC << 11) | (frequencyIndex << 7) | (channels << 3)).toString(16).padStart(4, '0');
  return {
    media: 'audio',
    payloadType,
    clockRate: sampleRate,
    rtpmap: `mpeg4-generic/${sampleRate}/${channels}`,
    fmtp: `streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=${config}`,
  };
}

/** @param frameBytes sizes of the frames, without AU header */
export function* aacPackets(
  stream: number,
  sampleRate: number,
  frameBytes: Iterable<number>,
): Generator<TitlePacket> {
  const flags = TITLE_FLAG.marker | TITLE_FLAG.accessUnitStart | TITLE_FLAG.randomAccess;
  let frame = 0;
  for (const bytes of frameBytes) {
    const ticks = frame * AAC_FRAME_TICKS;
    const dueMicros = Math.round((ticks * 1e6) / sampleRate);
    yield { stream, dueMicros, ticks, flags, payloadBytes: AU_HEADER_BYTES + bytes, frame, part: 0 };
    frame += 1;
  }
}

/** Writes the AU header of a frame of `bytes` bytes. */
export function writeAuHeader(target: Buffer, offset: number, bytes: number): void {
  target.writeUInt16BE(16, offset);
  target.writeUInt16BE(bytes << 3, offset + 2);
}

export interface AdtsStream {
  readonly sampleRate: number;
  readonly channels: number;
  /** Raw frames, without ADTS headers. */
  readonly frames: readonly Buffer[];
}

/** The frames of an ADTS file; undefined if it is none. Source: ISO/IEC 13818-7 section 6.2 */
export function splitAdts(file: Buffer): AdtsStream | undefined {
  const frames: Buffer[] = [];
  let [sampleRate, channels] = [0, 0];
  for (let at = 0; at + 7 <= file.length;) {
    if (file.readUInt16BE(at) >> 4 !== 0xfff) return undefined;
    const headerBytes = (file[at + 1]! & 1) === 1 ? 7 : 9;
    const size = ((file[at + 3]! & 3) << 11) | (file[at + 4]! << 3) | (file[at + 5]! >> 5);
    if (size <= headerBytes || at + size > file.length) return undefined;
    sampleRate = SAMPLING_FREQUENCIES[(file[at + 2]! >> 2) & 0xf] ?? 0;
    channels = ((file[at + 2]! & 1) << 2) | (file[at + 3]! >> 6);
    frames.push(file.subarray(at + headerBytes, at + size));
    at += size;
  }
  return sampleRate === 0 ? undefined : { sampleRate, channels, frames };
}

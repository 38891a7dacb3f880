import {
  PACKET_FLAG,
  SegmentBuilder,
  type Segment,
  type SegmentFacts,
  type SegmentMeta,
  type StreamExtent,
} from '../src/index.js';

export const KEY = 'rtsp://origin.example:554/films/a.mp4?day=1';
export const GENERATION = '00112233445566778899aabbccddeeff';
export const VIDEO_RATE = 90_000;
const AUDIO_RATE = 48_000;

/** One RTP packet as an origin sends it. */
export interface Sent {
  readonly sequence?: number;
  readonly timestamp?: number;
  readonly ssrc?: number;
  readonly marker?: boolean;
  readonly payloadType?: number;
  readonly csrcs?: readonly number[];
  /** Words of a header extension of profile 0xbede. */
  readonly extensionWords?: number;
  readonly padding?: number;
  readonly payload: Uint8Array;
}

export function rtpPacket(sent: Sent): Buffer {
  const { csrcs = [], extensionWords, padding = 0 } = sent;
  const header = Buffer.alloc(12 + 4 * csrcs.length);
  header[0] = 0x80 | (padding > 0 ? 0x20 : 0) | (extensionWords === undefined ? 0 : 0x10) | csrcs.length;
  header[1] = (sent.marker === true ? 0x80 : 0) | (sent.payloadType ?? 96);
  header.writeUInt16BE(sent.sequence ?? 4711, 2);
  header.writeUInt32BE(sent.timestamp ?? 0xdeadbeef, 4);
  header.writeUInt32BE(sent.ssrc ?? 0x0a0b0c0d, 8);
  csrcs.forEach((csrc, number) => header.writeUInt32BE(csrc, 12 + 4 * number));
  const extension = Buffer.alloc(extensionWords === undefined ? 0 : 4 + 4 * extensionWords, 0x11);
  if (extensionWords !== undefined) {
    extension.writeUInt16BE(0xbede, 0);
    extension.writeUInt16BE(extensionWords, 2);
  }
  const tail = Buffer.alloc(padding);
  if (padding > 0) tail[padding - 1] = padding;
  return Buffer.concat([header, extension, sent.payload, tail]);
}

export interface Recipe {
  readonly key?: string;
  readonly generation?: string;
  readonly startSeconds?: number;
  readonly durationSeconds?: number;
  readonly frames?: number;
  readonly payloadBytes?: number;
  readonly seed?: number;
  readonly last?: boolean;
}

/**
 * A sealed segment of one video and one audio stream; its payloads are a function of seed, stream and number, so
 * that whoever reads it can check every byte.
 */
export function makeSegment(recipe: Recipe = {}): Segment {
  const { key = KEY, generation = GENERATION, startSeconds = 0, durationSeconds = 6 } = recipe;
  const { frames = 4, payloadBytes = 40, seed = 1, last = false } = recipe;
  const builder = new SegmentBuilder({ key, clockRates: [VIDEO_RATE, AUDIO_RATE] });
  for (let frame = 0; frame < frames; frame++) {
    const seconds = startSeconds + (durationSeconds * frame) / frames;
    const first = frame === 0;
    append(builder, 0, seconds, { payload: payload(payloadBytes, seed, frame), first });
    append(builder, 1, seconds, { payload: payload(payloadBytes >> 1, seed + 1, frame), first });
  }
  const index = Math.floor(startSeconds / 6);
  const [startMicros, durationMicros] = [startSeconds * 1e6, durationSeconds * 1e6];
  const meta = { generation, index, startMicros, durationMicros, randomAccess: true, last, anchor: seed };
  return builder.seal(meta, extentsFor(frames, startSeconds, durationSeconds));
}

export function extentsFor(packets: number, startSeconds: number, durationSeconds: number): StreamExtent[] {
  return [VIDEO_RATE, AUDIO_RATE].map((rate) => ({
    packets,
    firstTicks: startSeconds * rate,
    endTicks: (startSeconds + durationSeconds) * rate,
  }));
}

export function payload(length: number, seed: number, number: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (seed * 31 + number * 17 + at * 7) & 0xff));
}

export function factsOf(segment: { readonly meta: SegmentMeta }, key = KEY): SegmentFacts {
  const { meta } = segment;
  return {
    title: key,
    segment: meta.index,
    startSeconds: meta.startMicros / 1e6,
    durationSeconds: meta.durationMicros / 1e6,
    bytes: meta.byteLength,
    titleDurationSeconds: undefined,
  };
}

/** One packet that is an access unit of its own. */
function append(
  builder: SegmentBuilder,
  stream: number,
  seconds: number,
  sent: Sent & { first: boolean },
): void {
  const packet = rtpPacket({ marker: true, payloadType: 96 + stream, ...sent });
  const rate = stream === 0 ? VIDEO_RATE : AUDIO_RATE;
  builder.append(packet, 0, packet.length, {
    stream,
    dueMicros: 0,
    flags: PACKET_FLAG.accessUnitStart | (sent.first || stream > 0 ? PACKET_FLAG.randomAccess : 0),
    canonicalTicks: Math.round(seconds * rate),
    lostBefore: 0,
  });
}

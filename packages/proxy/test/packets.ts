/** Packets of a small H.264 and AAC title, made by arithmetic: every payload tells which packet it is. */
export const VIDEO = 0;
export const AUDIO = 1;
export const VIDEO_RATE = 90_000;
export const AUDIO_RATE = 48_000;
export const CLOCK_RATES = [VIDEO_RATE, AUDIO_RATE];

export interface MadePacket {
  readonly stream: number;
  /** Media time, ticks since NPT 0. */
  readonly ticks: number;
  readonly marker: boolean;
  readonly payload: Buffer;
  /** When an origin that starts at NPT 0 sends it: pictures in decoding order. */
  readonly sentSeconds: number;
}

export interface MadeTitle {
  readonly seconds: number;
  readonly gopSeconds?: number;
  readonly fps?: number;
  /** B pictures between two references. */
  readonly bFrames?: number;
  readonly video?: boolean;
  readonly audio?: boolean;
}

const nal = (type: number, ...numbers: number[]): Buffer => {
  const body = Buffer.alloc(1 + 4 * numbers.length + 20, type);
  numbers.forEach((n, i) => body.writeUInt32BE(n >>> 0, 1 + 4 * i));
  body[0] = (type === 1 ? 0x20 : 0x60) | type;
  return body;
};

/** Packets in the order in which an origin sends them. */
export function makePackets(title: MadeTitle): MadePacket[] {
  const packets: MadePacket[] = [];
  if (title.video !== false) packets.push(...video(title));
  if (title.audio !== false) packets.push(...audio(title.seconds));
  return packets.sort((a, b) => a.sentSeconds - b.sentSeconds || a.stream - b.stream);
}

function video(title: MadeTitle): MadePacket[] {
  const fps = title.fps ?? 25;
  const gop = Math.round((title.gopSeconds ?? 1) * fps);
  const group = (title.bFrames ?? 0) + 1;
  const count = Math.round(title.seconds * fps);
  const out: MadePacket[] = [];
  for (let decode = 0; decode < count; decode++) {
    const shown = displayOrder(decode, gop, group);
    const ticks = Math.round((shown * VIDEO_RATE) / fps);
    const key = shown % gop === 0;
    const sentSeconds = decode / fps;
    const push = (payload: Buffer, marker: boolean): void =>
      void out.push({ stream: VIDEO, ticks, marker, payload, sentSeconds });
    if (key) {
      push(nal(7, 0), false);
      push(nal(8, 0), false);
    }
    push(nal(key ? 5 : 1, shown, 0), false);
    push(nal(key ? 5 : 1, shown, 1), true);
  }
  return out;
}

/** Key frame first, then groups of one reference and the B pictures shown before it. */
function displayOrder(decode: number, gop: number, group: number): number {
  const base = Math.floor(decode / gop) * gop;
  const within = decode % gop;
  if (within === 0 || group === 1) return decode;
  const cell = Math.floor((within - 1) / group);
  const first = cell * group + 1;
  const last = Math.min(first + group - 1, gop - 1);
  const position = within - first;
  return base + (position === 0 ? last : first + position - 1);
}

function audio(seconds: number): MadePacket[] {
  const out: MadePacket[] = [];
  for (let i = 0; i * 1024 < seconds * AUDIO_RATE; i++) {
    const payload = Buffer.alloc(40, i & 0xff);
    payload.writeUInt32BE(i, 4);
    out.push({ stream: AUDIO, ticks: i * 1024, marker: true, payload, sentSeconds: (i * 1024) / AUDIO_RATE });
  }
  return out;
}

/** The packet as one origin session sends it: with that session's sequence numbers and timestamps. */
export function rtpPacket(p: MadePacket, sequence: number, timestamp: number, ssrc = 1): Buffer {
  const bytes = Buffer.alloc(12 + p.payload.length);
  bytes[0] = 0x80;
  bytes[1] = (p.marker ? 0x80 : 0) | (96 + p.stream);
  bytes.writeUInt16BE(sequence & 0xffff, 2);
  bytes.writeUInt32BE(timestamp >>> 0, 4);
  bytes.writeUInt32BE(ssrc, 8);
  p.payload.copy(bytes, 12);
  return bytes;
}

import { writeFile } from 'node:fs/promises';
import type { Title } from '@forebay/rig';

const FRAME_BYTES = 4;
const RTP_HEADER_BYTES = 12;
const SSRC = 0x0bad_cafe;

/** Packets of a title, framed for the wire, and when each is due: what the bare loops send. */
export interface Schedule {
  readonly bytes: Buffer;
  /** Where packet i begins; one more entry than there are packets. */
  readonly offsets: Uint32Array;
  readonly dueMicros: Uint32Array;
}

/** All packets of a title of one stream on channel 0. */
export function scheduleOf(title: Title): Schedule {
  const { packets, streams } = title;
  const offsets = new Uint32Array(packets.count + 1);
  for (let i = 0; i < packets.count; i++)
    offsets[i + 1] = offsets[i]! + FRAME_BYTES + RTP_HEADER_BYTES + packets.payloadBytes[i]!;
  const bytes = Buffer.alloc(offsets[packets.count]!);
  for (let i = 0; i < packets.count; i++) {
    const at = offsets[i]!;
    const rtp = at + FRAME_BYTES;
    bytes[at] = 0x24;
    bytes.writeUInt16BE(RTP_HEADER_BYTES + packets.payloadBytes[i]!, at + 2);
    bytes[rtp] = 0x80;
    bytes[rtp + 1] = streams[0]!.payloadType | ((packets.flags[i]! & 1) << 7);
    bytes.writeUInt16BE(i & 0xffff, rtp + 2);
    bytes.writeUInt32BE(packets.ticks[i]!, rtp + 4);
    bytes.writeUInt32BE(SSRC, rtp + 8);
    title.writePayload(i, 0, bytes, rtp + RTP_HEADER_BYTES);
  }
  return { bytes, offsets, dueMicros: Uint32Array.from(packets.dueMicros) };
}

/** Writes it as `bare.c` reads it. */
export async function writeSchedule(file: string, { bytes, offsets, dueMicros }: Schedule): Promise<void> {
  const head = Uint32Array.of(dueMicros.length, bytes.length);
  await writeFile(file, Buffer.concat([head, offsets, dueMicros].map(bytesOf).concat(bytes)));
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

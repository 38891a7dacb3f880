/** Bits of PacketTable.flags. */
export const TITLE_FLAG = {
  /** The marker bit. */
  marker: 1,
  /** First packet of an access unit. */
  accessUnitStart: 2,
  /** First packet of an access unit at which a decoder can start, parameter sets included. */
  randomAccess: 4,
  /** A parameter set. */
  parameter: 8,
} as const;

/** One packet of a title, before there is a sender. */
export interface TitlePacket {
  readonly stream: number;
  /** When it is sent, microseconds after NPT 0. */
  readonly dueMicros: number;
  /** Its timestamp, clock ticks after NPT 0. */
  readonly ticks: number;
  /** TITLE_FLAG bits. */
  readonly flags: number;
  readonly payloadBytes: number;
  /** Access unit within its stream, in the order sent. */
  readonly frame: number;
  /** Packet within its access unit. */
  readonly part: number;
}

/** The packets of a title in the order sent, a column a property: an hour of them costs 12 MB, not 100. */
export interface PacketTable {
  readonly count: number;
  readonly streams: Uint8Array;
  readonly dueMicros: Float64Array;
  readonly ticks: Float64Array;
  readonly flags: Uint8Array;
  readonly payloadBytes: Uint16Array;
  readonly frames: Uint32Array;
  readonly parts: Uint16Array;
}

export interface TitleStream {
  readonly media: 'video' | 'audio';
  readonly payloadType: number;
  readonly clockRate: number;
  /** Value of a=rtpmap behind the payload type. */
  readonly rtpmap: string;
  /** Value of a=fmtp behind the payload type. */
  readonly fmtp: string | undefined;
}

/** Media that an origin can serve: packets with their times, and payloads on demand. Holds no state of any session. */
export interface Title {
  readonly streams: readonly TitleStream[];
  readonly durationSeconds: number;
  readonly packets: PacketTable;
  /**
   * Writes the payload of packet `packet` to target[offset...], payloadBytes[packet] bytes.
   * @param lap how often the title has been played before, where it is served as live
   */
  writePayload(packet: number, lap: number, target: Buffer, offset: number): void;
}

/** Puts the streams' packets into one table, by the time they are due. Each iterable is in that order already. */
export function tableOf(streams: readonly Iterable<TitlePacket>[]): PacketTable {
  const columns = {
    streams: [] as number[],
    dueMicros: [] as number[],
    ticks: [] as number[],
    flags: [] as number[],
    payloadBytes: [] as number[],
    frames: [] as number[],
    parts: [] as number[],
  };
  for (const packet of merged(streams)) {
    columns.streams.push(packet.stream);
    columns.dueMicros.push(packet.dueMicros);
    columns.ticks.push(packet.ticks);
    columns.flags.push(packet.flags);
    columns.payloadBytes.push(packet.payloadBytes);
    columns.frames.push(packet.frame);
    columns.parts.push(packet.part);
  }
  return {
    count: columns.streams.length,
    streams: Uint8Array.from(columns.streams),
    dueMicros: Float64Array.from(columns.dueMicros),
    ticks: Float64Array.from(columns.ticks),
    flags: Uint8Array.from(columns.flags),
    payloadBytes: Uint16Array.from(columns.payloadBytes),
    frames: Uint32Array.from(columns.frames),
    parts: Uint16Array.from(columns.parts),
  };
}

/** Of packets due at the same time those of the lower stream come first. */
function* merged(streams: readonly Iterable<TitlePacket>[]): Generator<TitlePacket> {
  const heads = streams.map((stream) => {
    const iterator = stream[Symbol.iterator]();
    return { iterator, next: iterator.next() };
  });
  for (;;) {
    let earliest: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.next.done === true) continue;
      const least = earliest?.next.done === false ? earliest.next.value.dueMicros : Infinity;
      if (head.next.value.dueMicros < least) earliest = head;
    }
    if (earliest === undefined || earliest.next.done === true) return;
    yield earliest.next.value;
    earliest.next = earliest.iterator.next();
  }
}

/** Where a play of a title begins. */
export interface Entry {
  /** Index of the first packet. */
  readonly packet: number;
  /** NPT of the key frame there. */
  readonly startSeconds: number;
}

/**
 * The random access point at or before `seconds`: of the first video stream, else of the first stream. Its parameter
 * sets come first; packets of other streams follow from its time on.
 */
export function entryAt(title: Title, seconds: number): Entry {
  const { streams, packets } = title;
  const leader = Math.max(
    0,
    streams.findIndex((stream) => stream.media === 'video'),
  );
  const clockRate = streams[leader]?.clockRate ?? 1;
  const limitTicks = Math.floor(seconds * clockRate + 1e-6);
  let found = 0;
  for (let i = 0; i < packets.count; i++) {
    if (packets.streams[i] !== leader || (packets.flags[i]! & TITLE_FLAG.randomAccess) === 0) continue;
    if (packets.ticks[i]! > limitTicks) break;
    found = i;
  }
  return { packet: found, startSeconds: (packets.ticks[found] ?? 0) / clockRate };
}

import type { PacketRun } from './segment.js';

/** The arrays of a run. */
export type RunIndex = Pick<PacketRun, 'offsets' | 'streams' | 'dueMicros' | 'flags' | 'hashes'>;

/** A run that is being put together. */
export type OpenRun = { -readonly [name in keyof PacketRun]: PacketRun[name] };

/**
 * Every run is made here, and not by spreading one object into another: they then have one shape, and code that reads them
 * is compiled for it. (A spread in a busy place gives each object a shape of its own, and each look at it is a search.)
 */
export function runOf(bytes: Buffer, count: number, index: RunIndex): OpenRun {
  const { offsets, streams, dueMicros, flags, hashes } = index;
  return { bytes, count, offsets, streams, dueMicros, flags, hashes };
}

/** Zeroed, for so many packets. */
export function emptyIndex(packets: number): RunIndex {
  return {
    offsets: new Uint32Array(packets + 1),
    streams: new Uint8Array(packets),
    dueMicros: new Uint32Array(packets),
    flags: new Uint8Array(packets),
    hashes: new Uint32Array(packets),
  };
}

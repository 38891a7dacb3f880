import { readFile } from 'node:fs/promises';
import { SequenceUnwrapper } from '@forebay/rtp';
import type { Row } from './rows.js';

/** Bytes of a packet in a trace, and where its columns lie: `Noted` in crowd.c, little-endian. */
const NOTED = { bytes: 24, atMs: 0, hash: 8, sequence: 12, stream: 14, viewer: 16 } as const;

interface Columns {
  readonly hashes: number[];
  readonly sequences: number[];
  readonly arrivalsMs: number[];
  readonly unwrapper: SequenceUnwrapper;
}

/** Every viewer's streams, as the viewers in C noted them in a file; those to whom nothing came are left out. */
export async function readTrace(file: string, streams: number): Promise<Row[][]> {
  const bytes = await readFile(file);
  const viewers = new Map<number, Columns[]>();
  for (let at = 0; at + NOTED.bytes <= bytes.length; at += NOTED.bytes) {
    const viewer = bytes.readUInt32LE(at + NOTED.viewer);
    let rows = viewers.get(viewer);
    if (rows === undefined) viewers.set(viewer, (rows = Array.from({ length: streams }, empty)));
    const row = rows[bytes.readUInt16LE(at + NOTED.stream)]!;
    row.hashes.push(bytes.readUInt32LE(at + NOTED.hash));
    row.sequences.push(row.unwrapper.unwrap(bytes.readUInt16LE(at + NOTED.sequence)));
    row.arrivalsMs.push(bytes.readDoubleLE(at + NOTED.atMs));
  }
  return [...viewers.values()];
}

function empty(): Columns {
  return { hashes: [], sequences: [], arrivalsMs: [], unwrapper: new SequenceUnwrapper() };
}

import {
  DelayRelay,
  ensureMedia,
  GstOrigin,
  playOnce,
  RigOrigin,
  syntheticTitle,
  type Title,
} from '@forebay/rig';

const HOST = '127.0.0.1';
const HURRY = 50;
const END_TIMEOUT_MS = 60_000;

/** What an origin was asked for and sent, as it counts itself, or as the wire to it does. */
export interface Counts {
  readonly describes: number;
  /** Sessions that were played. */
  readonly sessions: number;
  /** Media. */
  readonly bytes: number;
}

/** An origin with one title that counts. */
export interface CountedOrigin {
  readonly name: string;
  /** What a proxy is told. */
  readonly url: string;
  readonly path: string;
  readonly seconds: number;
  /** Of the whole title, counted in the same way. */
  readonly titleBytes: number;
  counts(): Counts;
  /** Sends as fast as is taken from now on, or at the pace of the media again. @returns false where it cannot */
  hurry(isHurried: boolean): boolean;
  close(): Promise<void>;
}

/** Our own origin: it counts every packet that it sends. */
export async function rigOrigin(seconds: number): Promise<CountedOrigin> {
  const path = '/film';
  const title = syntheticTitle({ seconds, videoKbps: 400 });
  const origin = await RigOrigin.start({ titles: { [path]: title } });
  return {
    name: 'rig',
    url: origin.url('/'),
    path,
    seconds,
    titleBytes: bytesOf(title),
    counts: () => {
      const { describes, plays, mediaBytes } = origin.counters;
      return { describes, sessions: plays, bytes: mediaBytes };
    },
    hurry: (isHurried) => {
      origin.setFaults(isHurried ? { speed: HURRY } : {});
      return true;
    },
    close: () => origin.close(),
  };
}

/** GStreamer's RTSP server: it tells what it was asked; bytes are counted on the wire to it, RTCP and answers included. */
export async function gstOrigin(clip: string): Promise<CountedOrigin> {
  const media = await ensureMedia();
  const origin = await GstOrigin.start({ media: media.folder });
  const relay = await DelayRelay.start({ targetHost: HOST, targetPort: origin.port, oneWayMs: 0 });
  const path = `/${clip}`;
  const played = async (): Promise<number> => {
    const before = relay.counters.bytesToViewer;
    await playOnce({ url: relay.url(path), transport: 'tcp', endTimeoutMs: END_TIMEOUT_MS });
    return relay.counters.bytesToViewer - before;
  };
  // The very first session of the process loads what all later ones use.
  await played();
  const titleBytes = await played();
  const asked = { describes: origin.count('DESCRIBE'), sessions: origin.count('PLAY') };
  const bytesBefore = relay.counters.bytesToViewer;
  return {
    name: 'gstreamer',
    url: relay.url('/'),
    path,
    seconds: media.seconds,
    titleBytes,
    counts: () => ({
      describes: origin.count('DESCRIBE') - asked.describes,
      sessions: origin.count('PLAY') - asked.sessions,
      bytes: relay.counters.bytesToViewer - bytesBefore,
    }),
    hurry: () => false,
    close: async () => {
      await relay.close();
      await origin.stop();
    },
  };
}

const RTP_HEADER_BYTES = 12;

function bytesOf({ packets }: Title): number {
  let bytes = 0;
  for (let i = 0; i < packets.count; i++) bytes += RTP_HEADER_BYTES + packets.payloadBytes[i]!;
  return bytes;
}

import { USUAL_KBPS, type Kbps } from './titles.js';

/** Who serves. */
export const SERVERS = ['forebay', 'forebayDgram', 'bareNode', 'bareC', 'origin', 'peer'] as const;
export type ServerName = (typeof SERVERS)[number];

export const SERVER_LABELS: Readonly<Record<ServerName, string>> = {
  forebay: 'Forebay',
  forebayDgram: 'Forebay, `dgram` path',
  bareNode: 'bare Node loop',
  bareC: 'bare C loop',
  origin: 'the origin itself',
  peer: 'the peer',
};

/** What is served to how many. */
export interface Scene {
  readonly name: string;
  readonly label: string;
  readonly kind: 'held' | 'live';
  readonly transport: 'tcp' | 'udp';
  readonly viewers: number;
  readonly kbps: Kbps;
  readonly servers: readonly ServerName[];
  /** Part of the quick run. */
  readonly isQuick: boolean;
}

const COMPARED_TCP = ['forebay', 'bareNode', 'bareC'] as const;
const COMPARED_UDP = ['forebay', 'forebayDgram', 'bareC'] as const;

export const SCENES: readonly Scene[] = [
  scene('heldTcp', 'held', 'tcp', 500, COMPARED_TCP),
  scene('liveTcp', 'live', 'tcp', 500, [...COMPARED_TCP, 'peer']),
  scene('heldUdp', 'held', 'udp', 300, COMPARED_UDP),
  scene('liveUdp', 'live', 'udp', 300, [...COMPARED_UDP, 'peer']),
  { ...scene('heldTcp50', 'held', 'tcp', 50, ['forebay', 'origin']), isQuick: false },
  { ...scene('heldTcp1', 'held', 'tcp', 1000, ['forebay']), kbps: 1000, isQuick: false },
  { ...scene('heldTcp16', 'held', 'tcp', 200, ['forebay']), kbps: 16_000, isQuick: false },
  { ...scene('heldUdp16', 'held', 'udp', 100, ['forebay']), kbps: 16_000, isQuick: false },
];

function scene(
  name: string,
  kind: Scene['kind'],
  transport: Scene['transport'],
  viewers: number,
  servers: readonly ServerName[],
): Scene {
  const label = `${kind} over ${transport.toUpperCase()}`;
  return { name, label, kind, transport, viewers, kbps: USUAL_KBPS, servers, isQuick: true };
}

import type { CrowdTransport } from './crowd.js';
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

export const TRANSPORT_LABELS: Readonly<Record<CrowdTransport, string>> = {
  tcp: 'TCP',
  udp: 'UDP',
  'udp-gro': 'UDP, joined',
};

/** What is served to how many. */
export interface Scene {
  readonly name: string;
  readonly label: string;
  readonly kind: 'held' | 'live';
  readonly transport: CrowdTransport;
  readonly viewers: number;
  readonly kbps: Kbps;
  readonly servers: readonly ServerName[];
  /** Part of the quick run; the others are measured once in a full one. */
  readonly isQuick: boolean;
}

const COMPARED_TCP = ['forebay', 'bareNode', 'bareC'] as const;
const COMPARED_UDP = ['forebay', 'forebayDgram', 'bareC'] as const;

const HELD_TCP = scene({
  name: 'heldTcp',
  kind: 'held',
  transport: 'tcp',
  viewers: 500,
  servers: COMPARED_TCP,
});
const HELD_UDP = scene({
  name: 'heldUdp',
  kind: 'held',
  transport: 'udp',
  viewers: 300,
  servers: COMPARED_UDP,
});

export const SCENES: readonly Scene[] = [
  HELD_TCP,
  scene({ ...HELD_TCP, name: 'liveTcp', kind: 'live', servers: [...COMPARED_TCP, 'peer'] }),
  HELD_UDP,
  scene({ ...HELD_UDP, name: 'liveUdp', kind: 'live', servers: [...COMPARED_UDP, 'peer'] }),
  scene({ ...HELD_UDP, name: 'heldUdpGro', transport: 'udp-gro' }),
  scene({ ...HELD_TCP, name: 'heldTcp50', viewers: 50, servers: ['forebay', 'origin'], isQuick: false }),
  scene({ ...HELD_TCP, name: 'heldTcp1', viewers: 1000, kbps: 1000, servers: ['forebay'], isQuick: false }),
  scene({ ...HELD_TCP, name: 'heldTcp16', viewers: 200, kbps: 16_000, servers: ['forebay'], isQuick: false }),
  scene({ ...HELD_UDP, name: 'heldUdp16', viewers: 100, kbps: 16_000, servers: ['forebay'], isQuick: false }),
];

function scene(
  o: Omit<Scene, 'label' | 'kbps' | 'isQuick'> & Partial<Pick<Scene, 'kbps' | 'isQuick'>>,
): Scene {
  const label = `${o.kind} over ${TRANSPORT_LABELS[o.transport]}`;
  return { kbps: USUAL_KBPS, isQuick: true, ...o, label };
}

import { setTimeout as delay } from 'node:timers/promises';
import { RigViewer } from '@forebay/rig';
import { medianOf } from '../report/summary.js';
import { SINK_CORE } from './crowd.js';
import { pin, spentBy } from './spent.js';
import type { Stage } from './stage.js';
import { STARTS_SECONDS, USUAL_KBPS } from './titles.js';

/** As many as viewers that are written in Node leave room for. */
const VIEWERS = 100;
const SETTLE_MS = 1500;
const WINDOW_MS = 6000;
const HANDSHAKES = 100;

/** The same viewers over plain TCP and over TLS, by turns; processor time of the proxy's process. */
export interface TlsFigures {
  readonly viewers: number;
  readonly plainNs: number;
  readonly tlsNs: number;
  /** Of a viewer that connects, describes and leaves, over TLS more than over plain TCP; microseconds. */
  readonly handshakeMicros: number;
}

/** Held media, for viewers of the same program on the other core. */
export async function measureTls(stage: Stage, rounds: number): Promise<TlsFigures> {
  const path = `/held-${USUAL_KBPS}`;
  const urls = { plain: stage.secure.url(path), tls: stage.secure.secureUrl(path) };
  await pin(process.pid, SINK_CORE);
  const packets: Record<keyof typeof urls, number[]> = { plain: [], tls: [] };
  const visits: Record<keyof typeof urls, number[]> = { plain: [], tls: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const way of ['plain', 'tls'] as const) {
      const visit = await nsOfVisit(stage, urls[way]);
      const packet = await nsOfPacket(stage, urls[way]);
      // The first round is for the compilers.
      if (round === 0) continue;
      visits[way].push(visit);
      packets[way].push(packet);
    }
  }
  return {
    viewers: VIEWERS,
    plainNs: medianOf(packets.plain),
    tlsNs: medianOf(packets.tls),
    handshakeMicros: (medianOf(visits.tls) - medianOf(visits.plain)) / 1000,
  };
}

async function nsOfPacket({ secure }: Stage, url: string): Promise<number> {
  const viewers: RigViewer[] = [];
  const received = (): number =>
    viewers.reduce((sum, { recordings }) => sum + recordings.reduce((all, each) => all + each.packets, 0), 0);
  try {
    for (let i = 0; i < VIEWERS; i++) {
      const viewer = await RigViewer.open({ url, transport: 'tcp', maxPackets: 0 });
      viewers.push(viewer);
      const [from, to] = STARTS_SECONDS;
      await viewer.play({ range: `npt=${(from + ((to - from) * i) / VIEWERS).toFixed(3)}-` });
    }
    await delay(SETTLE_MS);
    const [before, spent] = [received(), await spentBy(secure.pid)];
    await delay(WINDOW_MS);
    const { cpuNs } = await spentBy(secure.pid);
    return (cpuNs - spent.cpuNs) / (received() - before);
  } finally {
    for (const viewer of viewers) await viewer.close();
  }
}

async function nsOfVisit({ secure }: Stage, url: string): Promise<number> {
  const { cpuNs: before } = await spentBy(secure.pid);
  for (let i = 0; i < HANDSHAKES; i++) {
    const viewer = await RigViewer.connect({ url, transport: 'tcp' });
    await viewer.describe();
    await viewer.close();
  }
  const { cpuNs } = await spentBy(secure.pid);
  return (cpuNs - before) / HANDSHAKES;
}

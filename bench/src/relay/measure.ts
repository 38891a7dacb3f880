import { type Served, serve } from './crowd.js';
import type { Options } from './options.js';
import type { Scene, ServerName } from './scenes.js';
import { residentBytes } from './spent.js';
import { type Server, startBare, startOrigin, startPeer } from './servers.js';
import type { Stage } from './stage.js';
import { STARTS_SECONDS } from './titles.js';

/** One server in one scene, once. */
export interface Trial extends Served {
  readonly scene: string;
  readonly server: ServerName;
  readonly residentBytes: number;
  /** Of Forebay: how late its event loop was, at the 99th percentile and at worst. */
  readonly lagMs: { readonly p99Ms: number; readonly mostMs: number } | undefined;
}

/** Viewers begin within a second, so that their turns do not coincide. */
const TIMES = {
  quick: { rampMs: 1000, settleMs: 1000, windowMs: 2500 },
  full: { rampMs: 1000, settleMs: 1000, windowMs: 3000 },
} as const;
const WRITE_BYTES = 65_536;
/** Turns of the loops beside Forebay where its own writes cannot be counted, or nothing is known yet: as long as its own. */
const LIVE_TURN_MS = 20;
const HELD_UDP_TURN_MS = 110;

/**
 * Has every server of a scene serve, one after the other; Forebay comes first, because the bare loops copy the size of its
 * writes. A peer that refuses what the others do is left out.
 */
export async function playScene(stage: Stage, scene: Scene, o: Options): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const name of scene.servers) {
    if (name === 'peer' && o.peer === undefined) continue;
    const playing = playWith(stage, { scene, name, before: trials }, o);
    const trial = await (name === 'peer' ? playing.catch(withoutPeer) : playing);
    if (trial !== undefined) trials.push(trial);
  }
  return trials;
}

function withoutPeer(error: unknown): undefined {
  process.stderr.write(`the peer is left out: ${String(error)}\n`);
}

async function playWith(
  stage: Stage,
  { scene, name, before }: { scene: Scene; name: ServerName; before: readonly Trial[] },
  o: Options,
): Promise<Trial> {
  const forebay = before.find((trial) => trial.server === 'forebay' && scene.transport === 'tcp');
  const packetsPerWrite = forebay === undefined ? undefined : forebay.packets / forebay.writes;
  const server = await serverOf(name, { stage, scene, o, packetsPerWrite });
  try {
    return await playOnce(stage, { scene, name, server }, o);
  } finally {
    if (server !== stage.forebay && server !== stage.dgram) await server.close();
  }
}

async function playOnce(
  stage: Stage,
  { scene, name, server }: { scene: Scene; name: ServerName; server: Server },
  o: Options,
): Promise<Trial> {
  const controls = await server.controls(scene.kind === 'live' ? '/live' : `/held-${scene.kbps}`);
  const startSeconds = scene.kind === 'live' ? undefined : STARTS_SECONDS;
  const times = TIMES[o.isQuick ? 'quick' : 'full'];
  const { transport, viewers } = scene;
  const { host } = server === stage.dgram ? stage.dgram : stage.forebay;
  const isForebay = name === 'forebay' || name === 'forebayDgram';
  if (isForebay) await host.lag();
  const served = await serve(
    stage.programs.crowd,
    { ...controls, ...times, transport, viewers, startSeconds },
    server.pid,
  );
  return {
    ...served,
    scene: scene.name,
    server: name,
    residentBytes: await residentBytes(server.pid).catch(() => 0),
    lagMs: isForebay ? await host.lag() : undefined,
  };
}

interface ServerWanted {
  readonly stage: Stage;
  readonly scene: Scene;
  readonly o: Options;
  readonly packetsPerWrite: number | undefined;
}

async function serverOf(name: ServerName, wanted: ServerWanted): Promise<Server> {
  const { stage, o } = wanted;
  if (name === 'forebay') return stage.forebay;
  if (name === 'forebayDgram') return stage.dgram;
  if (name === 'origin') return await startOrigin('alone');
  if (name === 'peer') return await startPeer(o.peer!, `${stage.origin.url}/live`);
  return await bareOf(name, wanted);
}

async function bareOf(
  name: 'bareNode' | 'bareC',
  { stage, scene, packetsPerWrite }: ServerWanted,
): Promise<Server> {
  const isLive = scene.kind === 'live';
  const packetMs = (1328 * 8) / scene.kbps;
  const heldMs = packetsPerWrite === undefined ? HELD_UDP_TURN_MS : packetsPerWrite * packetMs;
  const periodMs = isLive ? LIVE_TURN_MS : Math.round(heldMs);
  return await startBare({
    program: name === 'bareC' ? stage.programs.bare : undefined,
    schedule: stage.schedule,
    periodMs,
    aheadMs: isLive ? 0 : periodMs,
    mostBytes: WRITE_BYTES,
    isLive,
  });
}

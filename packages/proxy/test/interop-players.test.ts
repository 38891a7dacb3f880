import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  directPlays,
  goAbroad,
  play,
  Stage,
  TITLES,
  type PlayerName,
  type Transport,
} from './interop-support.js';

t.jobs = 8;
t.setTimeout(600_000);

const PLAYERS: readonly (readonly [PlayerName, Transport])[] = [
  ['ffmpeg', 'tcp'],
  ['ffmpeg', 'udp'],
  ['gstreamer', 'tcp'],
  ['gstreamer', 'udp'],
];
/** Longer than stragglers of a segment are waited for. */
const STANDSTILL_MS = 1300;
/** A player leaves this soon after the paced end. */
const EXIT_MS = 1000;

const abroad = await goAbroad(t);
const { timeoutMs } = abroad;

const direct = directPlays(abroad);

/** One play through the proxy: the same frames as from the origin, and an end in time. */
async function compare(
  t: Test,
  stage: Stage,
  o: { player: PlayerName; transport: Transport; title: string; state: string },
): Promise<void> {
  const asked = direct(o.player, o.title);
  stage.watchEnd();
  const got = await play(o.player, stage.url(o.title), { transport: o.transport, timeoutMs });
  const { goneMs, exitMs } = await stage.afterEnd(got.exitMs);
  const reference = await asked;
  t.ok(got.ended, `${o.state}: ended by itself ${got.complaint}`);
  t.same(
    got.streams.map((s) => s.length),
    reference.map((s) => s.length),
    `${o.state}: as many frames as from the origin ${got.complaint}`,
  );
  t.same(got.streams, reference, `${o.state}: frames as from the origin`);
  t.ok(goneMs < EXIT_MS, `${o.state}: TEARDOWN ${goneMs.toFixed(0)} ms after the paced end`);
  if (o.player === 'ffmpeg')
    t.ok(exitMs < EXIT_MS, `${o.state}: exit ${exitMs.toFixed(0)} ms after the paced end`);
}

/** Kinds of title that are in two containers, or differ from those only by their groups, share players and transports. */
const SHARED = /^(?:h264_g|h264_b|h265)/;

for (const title of TITLES) {
  for (const [player, transport] of PLAYERS) {
    const isElsewhere =
      (transport === 'tcp') === (player === 'ffmpeg') ? title.endsWith('mkv') : title.endsWith('mp4');
    if (SHARED.test(title) && isElsewhere) continue;
    t.test(`${title} with ${player} over ${transport}: cold, then warm from disk`, async (t) => {
      const stage = await Stage.set(t, abroad);
      await stage.start();
      await compare(t, stage, { player, transport, title, state: 'cold' });
      t.ok((await stage.spent()).mediaBytes > 0, 'cold: from the origin');
      await stage.stored(timeoutMs);
      await stage.start();
      const before = stage.relay.counters.bytesToViewer;
      await compare(t, stage, { player, transport, title, state: 'warm' });
      t.same(await stage.spent(), { sessions: 0, mediaBytes: 0 }, 'warm: no origin session, no origin media');
      t.ok(
        stage.relay.counters.bytesToViewer - before < 4096,
        'warm: nothing but a description came from the origin',
      );
      t.equal(await stage.metric('viewer_bytes_total', { source: 'flight' }), 0);
      t.ok((await stage.metric('viewer_bytes_total', { source: 'disk' })) > 0, 'warm: from disk');
      t.equal(await stage.metric('gap_seconds_total'), 0, 'warm: nothing was late');
    });
  }
}

for (const transport of ['tcp', 'udp'] as const) {
  t.test(`an origin that stands still for a while costs no player a frame, over ${transport}`, async (t) => {
    const title = 'h264_g1.mp4';
    const own = await goAbroad(t, [title]);
    const stage = await Stage.set(t, own);
    await stage.start();
    const plays = PLAYERS.filter(([, how]) => how === transport).map(async ([player]) => {
      const got = await play(player, stage.url(title), { transport, timeoutMs });
      return { player, got, reference: await direct(player, title) };
    });
    await stage.played(own.media.seconds * 300);
    own.origin.signal('SIGSTOP');
    await delay(STANDSTILL_MS);
    own.origin.signal('SIGCONT');
    for (const { player, got, reference } of await Promise.all(plays)) {
      t.ok(got.ended, `${player}: ended by itself ${got.complaint}`);
      t.same(got.streams, reference, `${player}: frames as from the origin`);
      t.same(
        got.shown,
        reference.map(({ length }) => length),
        `${player}: all of them in time to be shown`,
      );
    }
    t.ok((await stage.metric('gap_seconds_total')) > 0.5, 'it was noticed');
  });
}

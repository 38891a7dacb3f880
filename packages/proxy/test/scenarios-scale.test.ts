import type { RigViewer } from '@forebay/rig';
import t, { type Test } from 'tap';
import { assertSound, film, forget, scene, type Scene } from './scene.js';

t.jobs = 4;
t.setTimeout(180_000);

const VIDEO = 0;
const AUDIO = 1;
const RATE = 90_000;
const SECONDS = 40;

/** NPT of each picture by its hash, from a play straight from an origin that is in no hurry to be real time. */
async function pictureTimes(t: Test): Promise<ReadonlyMap<number, number>> {
  const s = await scene(t, { title: film(SECONDS), faults: { speed: 40 } });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=0-', headers: [['Speed', '8']] });
  await viewer.ended({ timeoutMs: 60_000 });
  const units = viewer.accessUnits(VIDEO, { parameterSets: false });
  return new Map(
    units.map(({ hash, timestampTicks }) => [hash, (timestampTicks - units[0]!.timestampTicks) / RATE]),
  );
}

const times = await new Promise<ReadonlyMap<number, number>>((resolve) => {
  void t.test('a title at eight times the speed', async (t) => {
    const known = await pictureTimes(t);
    t.equal(known.size, SECONDS * 25, 'every picture, each another one');
    resolve(known);
  });
});

/** A scene in which the whole title is held, on disk alone. */
async function heldScene(
  t: Test,
  {
    forgotten = () => false,
    scales = false,
  }: { forgotten?: (cell: number) => boolean; scales?: boolean } = {},
): Promise<Scene> {
  const route = scales ? {} : { scales: false };
  const s = await scene(t, { title: film(SECONDS), faults: { speed: 40 }, route });
  const warm = await s.viewer();
  await warm.play({ range: 'npt=0-' });
  await warm.until(() => s.origin.counters.openSessions === 0, { timeoutMs: 60_000, what: 'the fill' });
  await warm.close();
  // What is on its way to the disk arrives there.
  await s.restart();
  await forget(s, forgotten);
  await s.restart();
  return s;
}

interface Shown {
  /** NPT. */
  readonly seconds: number;
  /** By the RTP timestamp, from RTP-Info on. */
  readonly viewerSeconds: number;
  readonly arrivalSeconds: number;
}

/** What the viewer saw since it had `from` packets. */
function shown(viewer: RigViewer, rtptime: number, from = 0): Shown[] {
  const units = viewer.accessUnits(VIDEO, { from, parameterSets: false });
  return units.map(({ hash, timestampTicks, arrivalMs }) => ({
    seconds: times.get(hash) ?? NaN,
    viewerSeconds: ((timestampTicks - rtptime) | 0) / RATE,
    arrivalSeconds: arrivalMs / 1000,
  }));
}

/** Pictures that are key frames, in order, at timestamps that say how fast the title is shown. */
function assertScaled(t: Test, pictures: readonly Shown[], o: { scale: number; start: number }): void {
  t.ok(
    pictures.every(({ seconds }) => Number.isInteger(seconds)),
    'key frames, whole and nothing else',
  );
  const off = pictures.map((p) => Math.abs(p.viewerSeconds - (p.seconds - o.start) / o.scale));
  t.ok(Math.max(...off) < 0.001, `NPT advances ${o.scale} times as fast as timestamps`);
  const [first, last] = [pictures[0]!, pictures.at(-1)!];
  const took = last.arrivalSeconds - first.arrivalSeconds;
  t.ok(took > last.viewerSeconds - 0.3, `timestamps run with the clock: ${took} s for ${last.viewerSeconds}`);
}

for (const [scale, transport] of [
  [2, 'tcp'],
  [8, 'udp'],
  [-4, 'tcp'],
  [-16, 'udp'],
] as const) {
  t.test(`Scale ${scale} over ${transport}, from the disk alone`, { buffered: true }, async (t) => {
    const s = await heldScene(t);
    const before = s.origin.counters.plays;
    const viewer = await s.viewer(transport);
    const from = scale > 0 ? (scale === 2 ? 30.4 : 0) : scale === -4 ? 12.3 : SECONDS;
    const reply = await viewer.play({ range: `npt=${from}-`, headers: [['Scale', String(scale)]] });
    const start = Math.min(Math.floor(from), SECONDS - 1);
    t.equal(reply.response.headers.get('Scale'), String(scale));
    t.equal(reply.response.headers.get('Range'), `npt=${start}-${scale > 0 ? SECONDS : 0}`);
    await viewer.ended({ timeoutMs: 60_000 });
    const info = reply.rtpInfo[VIDEO]!;
    t.equal(viewer.recording(VIDEO).sequences[0]! & 0xffff, info.seq, 'RTP-Info: seq');
    const pictures = shown(viewer, info.rtptime!);
    t.equal(pictures[0]?.seconds, start);
    const last = scale > 0 ? SECONDS - 4 : 0;
    t.ok(Math.abs(pictures.at(-1)!.seconds - last) <= 4, `to the end: ${pictures.at(-1)!.seconds}`);
    if (scale < 0) t.equal(pictures.at(-1)!.seconds <= 4, true);
    assertScaled(t, pictures, { scale, start });
    assertSound(t, viewer, 'one timeline');
    t.equal(viewer.recording(AUDIO).packets, 0, 'no sound');
    t.equal(s.origin.counters.plays, before, 'the origin is not asked');
    const most = Math.abs(scale) === 16 ? 10 : Math.abs(scale);
    const seconds = pictures.at(-1)!.viewerSeconds;
    t.ok(pictures.length <= most * seconds + 2, `${pictures.length} pictures in ${seconds} s`);
    t.ok(pictures.length >= Math.min(2, Math.abs(scale)) * seconds, 'two pictures a second at least');
  });
}

t.test('fast forward, back, and on at the usual pace: one timeline', { buffered: true }, async (t) => {
  const s = await heldScene(t);
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=5-' });
  await viewer.received(60, { timeoutMs: 60_000 });
  const count = (): number => viewer.recording(VIDEO).packets;
  let before = count();
  const forward = await viewer.play({ headers: [['Scale', '8.0']] });
  t.equal(forward.response.headers.get('Scale'), '8');
  await viewer.until(() => shown(viewer, 0, before).length > 4, { timeoutMs: 60_000, what: 'pictures' });
  t.ok(shown(viewer, 0, before).at(-1)!.seconds > forward.startSeconds! + 2);
  before = count();
  const back = await viewer.play({ headers: [['Scale', '-2']] });
  t.ok(back.startSeconds! > forward.startSeconds!, 'from where it was');
  await viewer.until(() => shown(viewer, 0, before).length > 2, { timeoutMs: 60_000, what: 'pictures' });
  before = count();
  const normal = await viewer.play({ headers: [['Scale', '1']] });
  t.equal(normal.response.headers.get('Scale'), '1');
  const audio = viewer.recording(AUDIO).packets;
  await viewer.until(() => viewer.recording(AUDIO).packets > audio + 30, {
    timeoutMs: 60_000,
    what: 'sound again',
  });
  const pictures = shown(viewer, normal.rtpInfo[VIDEO]!.rtptime!, before).slice(0, -1);
  t.equal(pictures[0]?.seconds, normal.startSeconds);
  t.ok(
    pictures.every((p, i) => Math.abs(p.viewerSeconds - i / 25) < 0.001),
    'every picture again',
  );
  assertSound(t, viewer, 'over four ranges');
});

t.test('a hole is jumped over', { buffered: true }, async (t) => {
  const s = await heldScene(t, { forgotten: (cell) => cell >= 2 && cell <= 6 });
  const before = s.origin.counters.plays;
  for (const [scale, from, over] of [
    [4, 0, [4, 28]],
    [-4, 39, [28, 7]],
  ] as const) {
    const viewer = await s.viewer();
    const reply = await viewer.play({ range: `npt=${from}-`, headers: [['Scale', String(scale)]] });
    await viewer.ended({ timeoutMs: 60_000 });
    const seen = shown(viewer, reply.rtpInfo[VIDEO]!.rtptime!);
    const at = seen.findIndex(({ seconds }, i) => i > 0 && Math.abs(seconds - seen[i - 1]!.seconds) > 10);
    t.ok(at > 0, 'it was there');
    t.ok(seen[at - 1]!.seconds < 8 || seen[at - 1]!.seconds >= 28);
    t.equal(seen[at]!.seconds, over[1]);
    const step = seen[at]!.viewerSeconds - seen[at - 1]!.viewerSeconds;
    t.ok(step > 0 && step < 1.1, `the picture behind it follows after ${step} s`);
    assertSound(t, viewer, `Scale ${scale}`);
  }
  t.equal(s.origin.counters.plays, before, 'the origin is not asked');
});

t.test(
  'where nothing is held any more, it goes on as the origin brings it',
  { buffered: true },
  async (t) => {
    const s = await heldScene(t, { forgotten: (cell) => cell >= 3 });
    s.origin.setFaults({ speed: 1 });
    const viewer = await s.viewer();
    const reply = await viewer.play({ range: 'npt=4-', headers: [['Scale', '8']] });
    t.equal(reply.response.headers.get('Scale'), '8');
    await viewer.until(() => (shown(viewer, 0).at(-1)?.seconds ?? 0) >= 16, {
      timeoutMs: 60_000,
      what: 'more',
    });
    assertSound(t, viewer, 'over the edge');
    t.equal(s.origin.counters.openSessions, 1);
  },
);

t.test('what cannot be had is played normally, and the answer says so', { buffered: true }, async (t) => {
  const s = await scene(t, { title: film(6) });
  const cases = [
    ['Scale', '4', '1', 'nothing is held'],
    ['Scale', '0.5', '1', 'slow motion'],
    ['Scale', '-3', '1', 'nothing is held'],
    ['Speed', '100', '8', 'too fast'],
    ['Speed', '0.5', '0.5', 'slowly'],
  ] as const;
  for (const [header, asked, told, why] of cases) {
    const viewer = await s.viewer();
    const from = asked.startsWith('-') ? 'npt=5.5-' : 'npt=0-';
    const reply = await viewer.play({ range: from, headers: [[header, asked]] });
    t.equal(reply.response.headers.get(header), told, `${header} ${asked}: ${why}`);
    await viewer.received(10, { timeoutMs: 60_000 });
    await viewer.close();
    await forget(s, () => true);
    await s.restart();
  }
  const viewer = await s.viewer();
  for (const [header, value] of [
    ['Scale', '0'],
    ['Scale', 'fast'],
    ['Speed', '-1'],
    ['Speed', '0'],
  ] as const) {
    await t.rejects(
      viewer.play({ headers: [[header, value]] }),
      { code: 'status', status: 400 },
      `${header} ${value}`,
    );
  }
  for (const range of ['npt=0-', 'npt=0-0'])
    await t.rejects(
      viewer.play({ range, headers: [['Scale', '-1']] }),
      { code: 'status', status: 457 },
      range,
    );
});

t.test('Speed 3: the same packets, three times as fast', { buffered: true }, async (t) => {
  const s = await heldScene(t);
  const viewer = await s.viewer();
  const reply = await viewer.play({ range: 'npt=10-25', headers: [['Speed', '3.0']] });
  t.equal(reply.response.headers.get('Speed'), '3');
  await viewer.ended({ timeoutMs: 60_000 });
  const pictures = shown(viewer, reply.rtpInfo[VIDEO]!.rtptime!);
  t.equal(pictures.length, 15 * 25);
  t.ok(
    pictures.every(
      (p, i) => Math.abs(p.seconds - 10 - i / 25) < 0.001 && Math.abs(p.viewerSeconds - i / 25) < 0.001,
    ),
    'every picture at its own timestamp',
  );
  const took = pictures.at(-1)!.arrivalSeconds - pictures[0]!.arrivalSeconds;
  t.ok(took > 4.5 && took < 8, `15 s in ${took}`);
  assertSound(t, viewer, 'in order');
});

t.test(
  'faster than the origin: as fast as it brings it, and that is no gap',
  { buffered: true },
  async (t) => {
    const s = await scene(t, { title: film(6) });
    const viewer = await s.viewer();
    await viewer.play({ range: 'npt=0-', headers: [['Speed', '4']] });
    await viewer.ended({ timeoutMs: 60_000 });
    t.equal(shown(viewer, 0).length, 150);
    assertSound(t, viewer, 'in order');
    t.equal(await s.metric('forebay_gap_seconds_total'), 0);
  },
);

for (const [scaleHeader, isHeld, workers] of [
  ['honoured', false],
  ['honoured', false, 2],
  ['honoured', true],
  ['squeezed', true],
] as const) {
  const served = workers === undefined ? '' : `, ${workers} workers`;
  const name = `${isHeld ? 'held' : 'nothing is held'}, timestamps ${scaleHeader}${served}`;
  t.test(`an origin that scales by itself is passed through: ${name}`, { buffered: true }, async (t) => {
    const more = workers === undefined ? {} : { workers };
    const s = isHeld
      ? await heldScene(t, { scales: true })
      : await scene(t, { title: film(SECONDS), ...more });
    s.origin.setFaults({ scaleHeader });
    const stored = async (): Promise<number> => s.metric('forebay_segments', { state: 'stored' });
    const [plays, before] = [s.origin.counters.plays, await stored()];
    const viewer = await s.viewer();
    const reply = await viewer.play({ range: 'npt=8-', headers: [['Scale', '4']] });
    t.equal(reply.response.headers.get('Scale'), '4');
    t.equal(reply.startSeconds, 8);
    t.equal(s.origin.counters.plays - plays, 1, 'a session of its own');
    await viewer.ended({ timeoutMs: 60_000 });
    const pictures = shown(viewer, reply.rtpInfo[VIDEO]!.rtptime!);
    t.equal(pictures.length, (SECONDS - 8) * 25, 'every picture');
    const off = pictures.map((p) => Math.abs(p.viewerSeconds - (p.seconds - 8) / 4));
    t.ok(Math.max(...off) < 0.001, `timestamps run with the viewer's time: ${Math.max(...off)}`);
    const took = pictures.at(-1)!.arrivalSeconds - pictures[0]!.arrivalSeconds;
    t.ok(took > 7.4 && took < 10, `32 s in ${took}`);
    t.ok(viewer.recording(AUDIO).packets > 100, 'with its sound');
    assertSound(t, viewer, 'one timeline');
    t.ok((await s.metric('forebay_viewer_bytes_total', { source: 'pass' })) > 100_000);
    t.equal(await s.metric('forebay_scaled_plays_total', { way: 'pass' }), 1);
    t.equal(await stored(), before, 'nothing of it is kept');
    while (s.origin.counters.openSessions > 0) await viewer.options();
    const back = await viewer.play({ range: 'npt=8.2-' });
    const from = viewer.recording(VIDEO).firstPacket;
    await viewer.received(viewer.recordings.reduce((sum, r) => sum + r.packets, 0) + 60, {
      timeoutMs: 60_000,
    });
    const after = shown(viewer, back.rtpInfo[VIDEO]!.rtptime!, from).slice(0, -1);
    t.ok(
      after.every((p, i) => Math.abs(p.seconds - 8 - i / 25) < 0.001),
      'then normally, from what is held or new',
    );
    assertSound(t, viewer, 'still one timeline');
  });
}

t.test(
  'an origin that only says that it scales is found out, and not asked again',
  { buffered: true },
  async (t) => {
    const s = await heldScene(t, { scales: true });
    s.origin.setFaults({ scaleHeader: 'echoed' });
    const plays = s.origin.counters.plays;
    for (const from of [4, 12]) {
      const viewer = await s.viewer();
      const reply = await viewer.play({ range: `npt=${from}-`, headers: [['Scale', '8']] });
      await viewer.ended({ timeoutMs: 60_000 });
      assertScaled(t, shown(viewer, reply.rtpInfo[VIDEO]!.rtptime!), { scale: 8, start: from });
      t.equal(viewer.recording(AUDIO).packets, 0, 'key frames of what is held');
      t.equal(s.origin.counters.plays - plays, 1);
    }
    t.equal(await s.metric('forebay_scaled_plays_total', { way: 'key-frames' }), 2);
  },
);

t.test('PAUSE of what is passed through gives the session back', { buffered: true }, async (t) => {
  const s = await scene(t, {
    title: film(SECONDS),
    faults: { scaleHeader: 'honoured', maxSessions: 2 },
    route: { maxSessions: 2 },
  });
  const viewer = await s.viewer();
  await viewer.play({ range: 'npt=8-', headers: [['Scale', '4']] });
  await viewer.received(200, { timeoutMs: 60_000 });
  await viewer.pause();
  const reply = await viewer.play();
  t.ok(reply.startSeconds! > 8, `goes on normally at ${reply.startSeconds}`);
  await viewer.until(() => s.origin.counters.openSessions === 1, { timeoutMs: 20_000, what: 'a flight' });
  await viewer.received(viewer.recordings.reduce((sum, r) => sum + r.packets, 0) + 60, { timeoutMs: 60_000 });
  assertSound(t, viewer, 'one timeline');
});

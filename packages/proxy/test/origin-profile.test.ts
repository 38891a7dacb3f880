import * as fc from 'fast-check';
import t from 'tap';
import { FILL_METHODS, fillHeaders, FillFindings } from '../src/origin/fill-methods.js';
import { OriginProfile } from '../src/origin/profile.js';
import { ProfileKeeper } from '../src/origin/profile-keeper.js';
import { recordOf, takeRecord } from '../src/origin/profile-record.js';
import { bench, clientFor, header, SDP, vod, type Script } from './origin-fakes.js';

const NOW_MS = 1_800_000_000_000;
const DAY_MS = 24 * 3_600_000;
const CLOCK_SDP = SDP.replace('npt=0-60', 'clock=20250301T100000Z-20250301T110000Z');
const ONVIF_SDP = SDP.replace('a=control:trackID=0', 'a=x-onvif-track:VIDEO001\na=control:trackID=0');

/** A profile of which everything was learned. */
function learned(profile = new OriginProfile('o')): OriginProfile {
  profile.transport = 'udp';
  profile.keepAlive = 'SET_PARAMETER';
  profile.pipelines = false;
  profile.pipelinesProven = true;
  profile.controlForm = 'path';
  profile.aggregateForm = 'slash';
  profile.range = 'clock';
  profile.seeks = false;
  profile.onvifReplay = true;
  profile.saysBye = true;
  profile.sessionLimit = 3;
  profile.methods = new Set(['OPTIONS', 'PLAY']);
  profile.startupsMs = [100, 300, 200];
  profile.fill.note('speed', { verdict: 'unequal', factor: 4, unixMs: NOW_MS });
  return profile;
}

t.test(
  'seeking is given up for titles not tried yet after two in a row, and taken up with the next that does',
  async (t) => {
    const profile = new OriginProfile('o');
    profile.sought(false);
    t.equal(profile.seeks, undefined, 'one title may be an exception');
    profile.sought(false);
    t.equal(profile.seeks, false);
    profile.sought(true);
    t.equal(profile.seeks, true);
    profile.sought(false);
    t.equal(profile.seeks, true);
    const restored = new OriginProfile('o');
    restored.seeks = false;
    restored.sought(true);
    t.equal(restored.seeks, true);
  },
);

t.test('everything that was learned comes back as it was', (t) => {
  const profile = learned();
  const again = new OriginProfile('o');
  takeRecord(again, JSON.parse(JSON.stringify(recordOf(profile))));
  t.strictSame(recordOf(again), recordOf(profile));
  t.equal(again.leadSeconds(), 0.6);
  t.equal(again.startupMs(0.5), 200);
  t.end();
});

t.test('a record that is not ours does no harm', (t) => {
  takeRecord(new OriginProfile('o'), null);
  const fields = Object.keys(recordOf(learned()));
  const value = fc.oneof(
    fc.anything(),
    fc.constantFrom('udp', 'OPTIONS', 'path', 'clock'),
    fc.array(fc.oneof(fc.double(), fc.string(), fc.constantFrom('PLAY', 1e300, -1)), { maxLength: 100 }),
    fc.dictionary(fc.constantFrom(...FILL_METHODS, '__proto__'), fc.anything()),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fields), value), (record) => {
      const profile = new OriginProfile('o');
      takeRecord(profile, record);
      const kept = recordOf(profile);
      const lead = profile.leadSeconds();
      return (
        lead >= 0.3 &&
        lead <= 60.3 &&
        kept.startupsMs.length <= 32 &&
        kept.methods.length <= 32 &&
        JSON.stringify(kept).length < 4096
      );
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test('the keeper gives each origin its own, for a month, and nobody else', (t) => {
  const url = 'rtsp://127.0.0.1:5540/';
  const { client } = clientFor(t, url);
  learned(client.profile);
  const saved = new ProfileKeeper(() => [client]).save(NOW_MS)!;
  const restored = (base: string, id: string, unixMs: number, bytes: Uint8Array = saved): number => {
    const other = clientFor(t, base, { route: { id } }).client;
    new ProfileKeeper(() => [other]).restore(bytes, unixMs);
    return other.profile.startupsMs.length;
  };
  t.equal(restored(url, 'origin', NOW_MS + 29 * DAY_MS), 3);
  t.equal(restored(url, 'origin', NOW_MS + 31 * DAY_MS), 0, 'forgotten');
  t.equal(restored(url, 'another', NOW_MS), 0, 'another route');
  t.equal(restored('rtsp://127.0.0.1:5541/', 'origin', NOW_MS), 0, 'the route leads elsewhere now');
  for (const garbage of [
    '',
    '{',
    '[]',
    'null',
    '{"version":1}',
    '{"version":1,"origins":[null,7,{"key":3}]}',
  ])
    t.equal(restored(url, 'origin', NOW_MS, Buffer.from(garbage)), 0, garbage);
  t.end();
});

t.test('the keeper saves only what is new, and keeps the age of what is not', (t) => {
  const { client } = clientFor(t, 'rtsp://127.0.0.1:5540/');
  const keeper = new ProfileKeeper(() => [client]);
  t.equal(keeper.save(NOW_MS), undefined, 'nothing was learned');
  learned(client.profile);
  const saved = keeper.save(NOW_MS)!;
  t.equal(keeper.save(NOW_MS + 1), undefined);
  const { client: again } = clientFor(t, 'rtsp://127.0.0.1:5540/');
  const next = new ProfileKeeper(() => [again]);
  next.restore(saved, NOW_MS + DAY_MS);
  t.equal(next.save(NOW_MS + DAY_MS), undefined);
  again.profile.startedUp(5);
  t.ok(next.save(NOW_MS + DAY_MS));
  t.end();
});

t.test('the keeper remembers a hundred routes that are gone, for a month', (t) => {
  let client = clientFor(t, 'rtsp://127.0.0.1:5540/').client;
  const come = (id: string): OriginProfile => {
    client = clientFor(t, 'rtsp://127.0.0.1:5540/', { route: { id } }).client;
    return client.profile;
  };
  const keeper = new ProfileKeeper(() => [client]);
  for (let i = 0; i <= 101; i++) {
    learned(come(`${i}`));
    keeper.note(NOW_MS);
  }
  const saved = keeper.save(NOW_MS)!;
  t.equal(keeper.save(NOW_MS), undefined, 'nothing is new');
  const next = new ProfileKeeper(() => [client]);
  learned(come('another'));
  next.restore(saved, NOW_MS);
  const again = next.save(NOW_MS)!;
  const last = new ProfileKeeper(() => [client]);
  last.restore(again, NOW_MS);
  for (const [id, startups, days] of [
    ['1', 0, 0],
    ['2', 3, 29],
    ['3', 0, 31],
    ['another', 3, 0],
  ] as const) {
    const { startupsMs } = come(id);
    t.equal(startupsMs.length, 0);
    last.recall(NOW_MS + days * DAY_MS);
    t.equal(client.profile.startupsMs.length, startups, id);
  }
  t.end();
});

t.test('the configuration wins over what is learned, and is not learned', (t) => {
  const settings = { keepAlive: 'reports', seeks: true, pipelines: true, leadSeconds: 7 } as const;
  const profile = learned(new OriginProfile('o', { ...settings, range: 'npt', onvifReplay: false }));
  t.same([profile.keepAlive, profile.seeks, profile.pipelines], ['reports', true, true]);
  t.same([profile.range, profile.onvifReplay, profile.leadSeconds()], ['npt', false, 7]);
  t.match(recordOf(profile), { keepAlive: 'SET_PARAMETER', seeks: false, pipelines: false, range: 'clock' });
  t.end();
});

t.test('fill methods are tried in order until one is faster, and again after a week', (t) => {
  const findings = new FillFindings(undefined);
  t.equal(findings.next(NOW_MS), 'rate-control');
  findings.note('rate-control', { verdict: 'refused', factor: 0, unixMs: NOW_MS });
  t.equal(findings.next(NOW_MS), 'speed');
  findings.note('speed', { verdict: 'unequal', factor: 4, unixMs: NOW_MS });
  t.equal(findings.next(NOW_MS), 'scale');
  t.equal(findings.proven(NOW_MS), undefined);
  findings.note('scale', { verdict: 'no-faster', factor: 1, unixMs: NOW_MS });
  t.equal(findings.next(NOW_MS), undefined, 'real time');
  t.equal(findings.next(NOW_MS + 8 * DAY_MS), 'rate-control');
  findings.note('speed', { verdict: 'faster', factor: 4, unixMs: NOW_MS });
  t.equal(findings.next(NOW_MS), 'speed');
  t.equal(new FillFindings('real-time').next(NOW_MS), undefined);
  t.equal(new FillFindings('scale').next(NOW_MS), 'scale');
  t.same(fillHeaders('rate-control'), [['Rate-Control', 'no']]);
  t.same(fillHeaders(undefined), []);
  t.end();
});

t.test('one odd title condemns no fill method: a second one does', (t) => {
  const findings = new FillFindings(undefined);
  const finding = { verdict: 'unequal', factor: 0, unixMs: NOW_MS } as const;
  const unfit = new Set(['rate-control'] as const);
  findings.failed('rate-control', 'odd', finding);
  findings.failed('rate-control', 'odd', finding);
  t.equal(findings.entries.size, 0);
  t.equal(findings.next(NOW_MS), 'rate-control', 'for other titles it is worth a try');
  t.equal(findings.next(NOW_MS, unfit), 'speed', 'for this one it is not');
  findings.measured('rate-control', 4, NOW_MS);
  t.equal(findings.proven(NOW_MS), 'rate-control');
  t.equal(findings.proven(NOW_MS, unfit), undefined);
  findings.failed('rate-control', 'odd', finding);
  t.equal(findings.proven(NOW_MS), 'rate-control', 'it has been faster since');
  findings.failed('rate-control', 'odd, too', finding);
  t.equal(findings.proven(NOW_MS), undefined);
  t.match(findings.entries.get('rate-control'), { verdict: 'unequal' });
  t.end();
});

t.test('a recorder that names ONVIF tracks is asked for replay, in SETUP and PLAY', async (t) => {
  const { origin, open, client } = await bench(t, vod({}, ONVIF_SDP));
  await (await open()).close();
  const required = (method: string): (string | undefined)[] =>
    origin.asked.filter((a) => a.method === method).map((a) => header(a, 'require'));
  t.strictSame(required('SETUP'), ['onvif-replay', 'onvif-replay']);
  t.strictSame(required('PLAY'), ['onvif-replay']);
  t.strictSame(required('DESCRIBE'), [undefined]);
  t.equal(client.profile.onvifReplay, true);
});

t.test('one that does not support it after all is asked without, and that is remembered', async (t) => {
  const script: Script = (request, peer) =>
    request.headers.has('require') ? { status: 551 } : vod({}, ONVIF_SDP)(request, peer);
  const { origin, open, client } = await bench(t, script);
  await (await open()).close();
  t.equal(client.profile.onvifReplay, false);
  await (await open()).close();
  t.equal(origin.asked.filter((a) => a.headers.has('require')).length, 1);
});

t.test('the route asks for replay where nothing suggests it', async (t) => {
  const { origin, open } = await bench(t, vod(), { route: { onvifReplay: true } });
  await (await open()).close();
  t.equal(header(await origin.request('PLAY'), 'require'), 'onvif-replay');
});

t.test('an origin that describes by the clock and plays by NPT is spoken to in NPT', async (t) => {
  const script = vod(
    {
      PLAY: (request) =>
        request.headers.get('range')?.startsWith('clock') === true
          ? { status: 501 }
          : { headers: [['Range', 'npt=12-3600']] },
    },
    CLOCK_SDP,
  );
  const { origin, open, client } = await bench(t, script);
  const session = await open({ startSeconds: 12 });
  t.strictSame(session.reply.range, { unit: 'npt', start: 12, end: 3600 });
  t.equal(client.profile.range, 'npt');
  await session.close();
  await (await open({ startSeconds: 12 })).close();
  const ranges = origin.asked.filter((a) => a.method === 'PLAY').map((a) => header(a, 'range')?.slice(0, 3));
  t.strictSame(ranges, ['clo', 'npt', 'npt']);
});

import { bundledTitle, RigOrigin } from '@forebay/rig';
import type { ProbeReport } from '@forebay/proxy';
import t from 'tap';
import { probeText } from '../src/probe/probe-report.js';
import { forebay } from './spawned.js';

t.setTimeout(120_000);

t.test('a live stream, for programs and for people', async (t) => {
  const access = { scheme: 'digest', username: 'cam', password: 'open-sesame-7' } as const;
  const faults = { access, maxSessions: 2 };
  const titles = { '/live': { title: bundledTitle(), live: true } };
  const origin = await RigOrigin.start({ titles, faults });
  t.teardown(() => origin.close());
  const url = `rtsp://127.0.0.1:${origin.port}/live`;
  const env = { FOREBAY_ORIGIN_CREDENTIALS: 'cam:open-sesame-7' };
  const { code, out, err } = await forebay(['probe', url, '--json'], env);
  t.equal(code, 0, err);
  t.notMatch(out + err, /open-sesame/);
  const report = JSON.parse(out) as ProbeReport & { suggested: object };
  t.match(report, {
    url,
    server: 'forebay-rig',
    describe: { onDemand: false, streams: [{ encoding: 'H264' }, {}] },
    play: { transport: 'tcp' },
    sessions: { open: 2, limited: true },
    problems: [],
    suggested: { maxSessions: 2 },
  });
  const text = probeText(report, { maxSessions: 2, profile: { keepAlive: 'reports', pipelines: false } });
  t.match(text, /^CHECK +FOUND +SO$/m);
  t.match(text, /^kind +live +one pull for all viewers$/m);
  t.match(text, /^sessions at a time +2 +more are refused: set maxSessions$/m);
  t.match(text, /^ {4}profile: \{ keepAlive: reports, pipelining: false \}$/m);
  t.match(text, `    origin: rtsp://127.0.0.1:${origin.port}/\n`);
  const wrong = await forebay(['probe', url], { FOREBAY_ORIGIN_CREDENTIALS: 'cam:wrong-word-9' });
  t.equal(wrong.code, 1);
  t.match(wrong.err, /^forebay: the origin refuses the route's credentials.*\n$/);
  t.notMatch(wrong.err, /wrong-word/);
});

t.test('what an origin says cannot act on the terminal', (t) => {
  const report: ProbeReport = {
    url: 'rtsp://o/x',
    server: 'evil\u001b[2J',
    methods: [],
    fill: {},
    problems: [{ check: 'UDP', code: 'refused', text: 'no\u0007' }],
    seconds: 1,
  };
  const text = probeText(report, { profile: {} });
  t.notMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
  t.match(text, /^ {2}UDP: no/m, 'and what failed is named');
  t.end();
});

t.test('what cannot be probed is said in one line', async (t) => {
  const nobody = await forebay(['probe', 'rtsp://127.0.0.1:1/film']);
  t.same([nobody.code, nobody.out], [1, '']);
  t.match(nobody.err, /^forebay: no connection[^\n]*\n$/);
  const noUrl = await forebay(['probe', 'film.mp4']);
  t.equal(noUrl.code, 2);
  t.match(noUrl.err, /^forebay: URL: must be an RTSP URL[^\n]*\n$/);
  const secret = await forebay(['probe', 'rtsp://cam:open-sesame-7@127.0.0.1:1/film']);
  t.equal(secret.code, 2);
  t.notMatch(secret.err, /sesame/);
});

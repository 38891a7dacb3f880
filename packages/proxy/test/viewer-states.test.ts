import t from 'tap';
import { STATE_TABLE, VIEWER_METHODS } from '@forebay/rtsp';
import type { SessionState, ViewerMethod } from '@forebay/rtsp';
import type { FakeLibrary } from './viewer-fakes.js';
import { setUpBoth, type TestViewer } from './viewer-player.js';
import { until, withRig, type Rig } from './viewer-rig.js';

/** Brings a session into a state; `init` is no session. */
const REACH: Readonly<Record<SessionState, (viewer: TestViewer, url: string) => Promise<string>>> = {
  init: async () => '0123456789abcdef',
  ready: (viewer, url) => setUpBoth(viewer, url),
  playing: async (viewer, url) => {
    const Session = await setUpBoth(viewer, url);
    await viewer.request('PLAY', url, { Session });
    return Session;
  },
};

t.test('the state table is walked whole', async (t) => {
  await withRig({ limits: { guessesPerMinute: 1000 } }, async ({ connect, url }) => {
    const at = url('/vod/a');
    for (const state of ['init', 'ready', 'playing'] as const) {
      for (const method of VIEWER_METHODS) {
        const viewer = await connect();
        const Session = await REACH[state](viewer, at);
        const isSetup = method === 'SETUP';
        const headers = isSetup ? { Transport: 'RTP/AVP/TCP;unicast;interleaved=8-9' } : {};
        const isBare = state === 'init' && (isSetup || method === 'OPTIONS' || method === 'DESCRIBE');
        const target = isSetup ? `${at}/trackID=0` : at;
        const answer = await viewer.request(method, target, isBare ? headers : { ...headers, Session });
        const next = STATE_TABLE[state][method as ViewerMethod];
        const expected = state === 'init' && !isBare ? 454 : next === undefined ? 455 : 200;
        t.equal(answer.status, expected, `${method} in ${state}`);
        if (expected === 455) t.match(answer.headers.get('Allow'), /PLAY, PAUSE, TEARDOWN/);
        viewer.socket.destroy();
      }
    }
  });
});

/** Sends PLAY from NPT 10, and while that waits until it is let go, a request of the same viewer from another connection. */
async function whilePlayWaits(r: Rig, method: string, headers: Record<string, string> = {}) {
  const { connect, url, library } = r;
  const [first, second, third] = [await connect(), await connect(), await connect()];
  const at = url('/vod/a');
  const Session = await setUpBoth(first, at);
  const letGo = closeGate(library);
  const play = first.send('PLAY', at, { Session, Range: 'npt=10-' });
  await until(() => library.readers.length > 0);
  const other = second.send(method, at, { Session, ...headers });
  // What was written later is answered: the other request was read.
  await third.request('OPTIONS', '*');
  return {
    first,
    letGo,
    played: () => first.answer(play),
    answered: () => second.answer(other),
    playAgain: () => second.request('PLAY', at, { Session }),
  };
}

/** PLAY waits from now on. @returns to let go who waits */
function closeGate(library: FakeLibrary): () => void {
  let open = (): void => undefined;
  library.playGate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

t.test('PAUSE from another connection holds back what PLAY is about to send', async (t) => {
  await withRig({}, async (r) => {
    const { letGo, played, answered, playAgain } = await whilePlayWaits(r, 'PAUSE');
    const { reader } = r.library;
    letGo();
    t.same([(await played()).status, (await answered()).status], [200, 200]);
    t.equal(reader.state, 'paused');
    t.notOk(reader.calls.includes('start'), 'nothing was sent');
    t.equal(await r.metric('viewer_sessions', { state: 'ready' }), 1);
    t.equal((await playAgain()).status, 200);
    t.equal(reader.state, 'playing', 'PLAY goes on from there');
    t.equal(await r.metric('viewer_sessions', { state: 'playing' }), 1);
    t.equal(await r.metric('viewer_sessions', { state: 'ready' }), 0);
  });
});

t.test('PLAY from another connection takes the place of what PLAY is about to send', async (t) => {
  await withRig({}, async (r) => {
    const { letGo, played, answered } = await whilePlayWaits(r, 'PLAY', { Range: 'npt=20-' });
    const { reader } = r.library;
    const letOtherGo = closeGate(r.library);
    letGo();
    t.equal((await played()).status, 200);
    letOtherGo();
    const answer = await answered();
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('Range'), 'npt=20-60');
    t.match(answer.headers.get('RTP-Info'), /seq=65530;rtptime=4294967040/, 'nothing was sent before');
    t.equal(reader.state, 'playing');
    t.equal(reader.positionSeconds, 20);
    t.equal(reader.calls.filter((call) => call === 'start').length, 1);
  });
});

t.test('PLAY from another connection that is refused leaves what PLAY is about to send', async (t) => {
  await withRig({}, async (r) => {
    r.library.onStart = [{ stream: 0 }];
    const { first, letGo, played, answered } = await whilePlayWaits(r, 'PLAY', { Range: 'npt=99-' });
    letGo();
    t.same([(await played()).status, (await answered()).status], [200, 457]);
    t.equal(r.library.reader.state, 'playing');
    await first.until(() => first.frames(0).length > 0);
    const kinds = first.received.filter((each) => each.kind === 'response' || each.channel === 0);
    t.equal(kinds.at(-2)?.kind, 'response', 'the answer comes before the media');
  });
});

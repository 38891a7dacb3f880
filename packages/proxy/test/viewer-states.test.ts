import t from 'tap';
import { STATE_TABLE, VIEWER_METHODS } from '@forebay/rtsp';
import type { SessionState, ViewerMethod } from '@forebay/rtsp';
import { setUpBoth, type TestViewer } from './viewer-player.js';
import { withRig } from './viewer-rig.js';

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

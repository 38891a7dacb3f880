import t from 'tap';
import {
  nextState,
  RTSP_FAULTS,
  RtspError,
  STATE_TABLE,
  STATUS_REASONS,
  VIEWER_METHODS,
} from '../src/index.js';
import type { RtspErrorCode, SessionState } from '../src/index.js';
import { outcome } from './support.js';

/** RFC 2326 appendix A.2, written out a second time: before, method, after; a dash is 455. */
const expected = `
  init    OPTIONS init       ready OPTIONS ready        playing OPTIONS playing
  init    DESCRIBE init      ready DESCRIBE ready       playing DESCRIBE playing
  init    SETUP ready        ready SETUP ready          playing SETUP -
  init    PLAY -             ready PLAY playing         playing PLAY playing
  init    PAUSE -            ready PAUSE ready          playing PAUSE ready
  init    TEARDOWN init      ready TEARDOWN init        playing TEARDOWN init
  init    GET_PARAMETER init ready GET_PARAMETER ready  playing GET_PARAMETER playing
  init    SET_PARAMETER init ready SET_PARAMETER ready  playing SET_PARAMETER playing
`;

void t.test('the state table, walked whole', (t) => {
  const words = expected.trim().split(/\s+/);
  let pairs = 0;
  for (let i = 0; i < words.length; i += 3) {
    const [before, method = '', after] = words.slice(i, i + 3);
    const state = before as SessionState;
    pairs += 1;
    t.equal(
      outcome(() => nextState(state, method)),
      after === '-' ? '455 method-state' : after,
      `${before} ${method}`,
    );
  }
  t.equal(pairs, Object.keys(STATE_TABLE).length * VIEWER_METHODS.length, 'nothing left out');
  t.end();
});

function thrownBy(state: SessionState, method: string): unknown {
  try {
    return nextState(state, method);
  } catch (error) {
    return error;
  }
}

void t.test('a refused method says what is allowed', (t) => {
  t.match(thrownBy('init', 'PLAY'), {
    party: 'viewer',
    status: 455,
    close: false,
    allow: ['OPTIONS', 'DESCRIBE', 'SETUP', 'TEARDOWN', 'GET_PARAMETER', 'SET_PARAMETER'],
  });
  for (const method of ['ANNOUNCE', 'RECORD', 'REDIRECT']) {
    t.match(thrownBy('ready', method), { status: 405, allow: VIEWER_METHODS }, method);
  }
  for (const method of ['FOO', 'play', 'constructor', '__proto__', '']) {
    t.match(thrownBy('ready', method), { status: 501, code: 'method-unknown' }, method);
  }
  t.end();
});

void t.test('every fault has an answer', (t) => {
  for (const [code, fault] of Object.entries(RTSP_FAULTS)) {
    const viewer = new RtspError('viewer', code as RtspErrorCode, {
      detail: 'detail',
      cause: 'cause',
      cseq: 3,
    });
    t.match(viewer, {
      name: 'RtspError',
      code,
      status: fault.status,
      close: fault.close,
      cause: 'cause',
      cseq: 3,
    });
    t.equal(viewer.message, `viewer: ${fault.text}: detail`);
    t.ok(STATUS_REASONS[viewer.status], `${code} has a reason phrase`);
    t.equal(new RtspError('origin', code as RtspErrorCode).status, 502, `${code} of an origin`);
  }
  t.end();
});

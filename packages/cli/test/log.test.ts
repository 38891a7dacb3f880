import t from 'tap';
import { titleName } from '../src/access/access-line.js';
import { openLog, type ProcessLog } from '../src/log.js';
import { redactor } from '../src/redact.js';

const SECRET = 'hunter2!"\\';

function recorded(
  format: 'json' | 'text',
  level: 'debug' | 'info' = 'info',
): { log: ProcessLog; lines: string[] } {
  const lines: string[] = [];
  const log = openLog({ level, format, secrets: [SECRET, 'ab'], write: (line) => void lines.push(line) });
  return { log, lines };
}

t.test('JSON lines', (t) => {
  const { log, lines } = recorded('json');
  log.info({ origin: 'nvr', status: 453 }, 'refused');
  log.debug({}, 'not at this level');
  t.equal(lines.length, 1);
  t.ok(lines[0]?.endsWith('}\n'), 'one whole line');
  const { time, ...rest } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  t.same(rest, { level: 'info', origin: 'nvr', status: 453, msg: 'refused' });
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.end();
});

t.test('text for people', (t) => {
  const { log, lines } = recorded('text', 'debug');
  log.warn(
    { origin: 'nvr', text: 'two words', list: [1], ms: 0.44992000000638654, nothing: '' },
    'refused a session',
  );
  t.match(
    lines[0],
    /^\d\d:\d\d:\d\d\.\d{3} WARN {2}refused a session {2}origin=nvr text="two words" list=\[1\] ms=0\.45 nothing=""\n$/,
  );
  log.debug({}, 'bare');
  t.match(lines[1], /DEBUG bare\n$/);
  log.fatal({ err: new Error('broken', { cause: new Error('below') }) }, 'dies');
  t.match(lines[2], /FATAL dies\n {4}Error: broken\n {4} +at /);
  t.end();
});

t.test('nothing secret reaches a line, wherever it stands', (t) => {
  for (const format of ['json', 'text'] as const) {
    const { log, lines } = recorded(format);
    log.info({ url: `rtsp://admin:${SECRET}@192.0.2.7/x` }, `asked rtsps://admin:pw@host/ with ${SECRET}`);
    log.info(
      { password: 'swordfish', nested: { authorization: 'Digest username="a", response="swordfish"' } },
      'x',
    );
    log.info(
      { header: 'Authorization: Basic dTpzd29yZGZpc2g=', list: [`x${SECRET}y`] },
      'Digest response="swordfish"',
    );
    log.error(
      { err: new Error(`origin said ${SECRET}`, { cause: new Error('rtsp://u:swordfish@h/') }) },
      'x',
    );
    const text = lines.join('');
    t.equal(lines.length, 4);
    t.notMatch(text, 'hunter2');
    t.notMatch(text, 'swordfish');
    t.notMatch(text, 'dTpzd29yZGZpc2g');
    t.match(text, '192.0.2.7/x', 'the rest of the URL stays');
  }
  t.end();
});

t.test('titles: without secrets, or as the hash that the access log has', (t) => {
  const title = '/cam/1?user=admin&pass=swordfish&start=5';
  for (const hashTitles of [false, true]) {
    const lines: string[] = [];
    const log = openLog({
      level: 'info',
      format: 'json',
      secrets: [],
      hashTitles,
      write: (line) => void lines.push(line),
    });
    log.info({ title }, 'viewer session ended');
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    if (hashTitles) t.match(line['title'], /^[0-9a-f]{32}$/);
    else t.equal(line['title'], '/cam/1?user=&pass=&start=5');
    t.equal(line['title'], titleName(title, hashTitles));
  }
  t.end();
});

t.test('secrets that are learned later are hidden, too', (t) => {
  const { log, lines } = recorded('json');
  log.hide(['swordfish', 'ab']);
  log.info({ user: 'swordfish', of: SECRET }, 'swordfish');
  t.match(lines[0], '"user":"[redacted]"');
  t.notMatch(lines[0], /swordfish|hunter2/);
  t.end();
});

t.test('redaction copies and is bounded', (t) => {
  const redact = redactor(['abcd', 'ab']);
  const given = { a: 'xabcdx', big: 10n, bytes: Buffer.from('abcd'), none: undefined, yes: true };
  t.same(redact(given), { a: 'x[redacted]x', big: '10', bytes: '[4 bytes]', none: undefined, yes: true });
  t.equal(given.a, 'xabcdx', 'the original is left alone');
  t.equal(redact('no Basic authentication, Digest is there'), 'no Basic authentication, Digest is there');
  t.equal(redact('table'), 'table', 'two letters are hidden by field name only');
  const endless: Record<string, unknown> = {};
  endless['self'] = endless;
  t.match(JSON.stringify(redact(endless)), '[deep]');
  t.end();
});

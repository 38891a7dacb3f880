import * as fc from 'fast-check';
import t from 'tap';
import { formatRange, formatRatio, parseRange, parseRatio } from '../src/index.js';
import type { RtspRange } from '../src/index.js';
import { bothWays } from './support.js';
import type { Row } from './support.js';

const ranges: readonly Row<RtspRange>[] = [
  { name: 'npt', text: 'npt=12.4-60', value: { unit: 'npt', start: 12.4, end: 60 } },
  { name: 'npt without end', text: 'npt=0-', value: { unit: 'npt', start: 0 } },
  { name: 'npt without start', text: 'npt=-5', value: { unit: 'npt', end: 5 } },
  { name: 'live', text: 'npt=now-', value: { unit: 'npt', start: 'now' } },
  { name: 'GStreamer mp4', text: 'npt=now-60', value: { unit: 'npt', start: 'now', end: 60 } },
  { name: 'microseconds', text: 'npt=0.000001-0.1', value: { unit: 'npt', start: 0.000001, end: 0.1 } },
  {
    name: 'Wowza',
    text: 'npt=0- 596.48',
    value: { unit: 'npt', start: 0, end: 596.48 },
    formatted: 'npt=0-596.48',
  },
  { name: 'VLC', text: ' npt=0-60.000', value: { unit: 'npt', start: 0, end: 60 }, formatted: 'npt=0-60' },
  { name: 'ffmpeg', text: 'npt=0.000-', value: { unit: 'npt', start: 0 }, formatted: 'npt=0-' },
  {
    name: 'hours',
    text: 'npt=12:05:35.3-',
    value: { unit: 'npt', start: 43_535.3 },
    formatted: 'npt=43535.3-',
  },
  { name: 'upper case', text: 'NPT=NOW-', value: { unit: 'npt', start: 'now' }, formatted: 'npt=now-' },
  { name: 'an instant', text: 'npt=35.5', value: { unit: 'npt', start: 35.5 }, formatted: 'npt=35.5-' },
  {
    name: 'clock',
    text: 'clock=19961108T142300Z-19961108T143520Z',
    value: { unit: 'clock', startMs: 847_462_980_000, endMs: 847_463_720_000 },
  },
  {
    name: 'clock with fractions',
    text: 'clock=19961108T142300.250Z-',
    value: { unit: 'clock', startMs: 847_462_980_250 },
  },
  {
    name: 'clock, no Z',
    text: 'clock=19961108T142300.25-',
    value: { unit: 'clock', startMs: 847_462_980_250 },
    formatted: null,
  },
  {
    name: 'smpte',
    text: 'smpte-25=10:07:00-10:07:33:05.01',
    value: { unit: 'smpte', format: 'smpte-25', startSeconds: 36_420, endSeconds: 36_453.2004 },
  },
  {
    name: 'smpte drop',
    text: 'smpte=00:01:00:02-',
    value: { unit: 'smpte', format: 'smpte', startSeconds: 1800 * (1001 / 30_000) },
  },
  { name: 'smpte, unreal frame', text: 'smpte-25=00:00:00:25-', value: '400 range' },
  ...[
    'npt=5-2',
    'npt=5-5',
    'npt=0-0',
    'npt=-',
    'npt=-0',
    'clock=19961108T143520Z-19961108T142300Z',
    'npt=9999999999-',
    'smpte=0:0:2-0:0:1',
    'npt=0-;time=19700101T000000Z',
  ].map((text) => ({ name: text, text, value: '457 range-invalid' })),
  ...[
    '',
    'npt',
    'npt=a-b',
    'npt=nan-',
    'npt=1e400-',
    'npt=now',
    'npt=-5-',
    'npt=::-',
    'npt=0-1,npt=5-6',
    'clock=bad-',
    `clock=${'9'.repeat(99)}-`,
    'clock=19960230T000000Z-',
    'clock=00000101T000000Z-',
    'smpte=0:0:0:-',
    'smpte=0::-',
    'smpte=-1:0:0',
  ].map((text) => ({ name: text, text, value: '400 range' })),
  { name: 'bytes', text: 'bytes=0-499', value: '501 range-unit' },
  { name: 'origin: nonsense', from: 'origin', text: 'npt=nan-', value: '502 range' },
  {
    name: 'origin: a time',
    from: 'origin',
    text: 'npt=0-;time=19970123T143720Z',
    value: { unit: 'npt', start: 0 },
    formatted: null,
  },
];

void t.test('Range', (t) => {
  bothWays(t, ranges, parseRange, formatRange);
  t.equal(formatRange({ unit: 'npt', start: 1e-7, end: 1e8 }), 'npt=0-100000000', 'no exponents');
  t.end();
});

void t.test('Range, any', (t) => {
  const bound = fc.integer({ min: 0, max: 10 ** 9 }).map((micros) => micros / 1e6);
  fc.assert(
    fc.property(bound, bound, (start, length) => {
      const range = { unit: 'npt', start, end: start + length + 1 } as const;
      const back = parseRange(formatRange(range));
      return back.unit === 'npt' && back.start === start && Math.abs((back.end ?? 0) - range.end) < 1e-6;
    }),
  );
  const ms = fc.integer({ min: 0, max: 4e12 });
  fc.assert(
    fc.property(
      ms,
      (startMs) =>
        JSON.stringify(parseRange(formatRange({ unit: 'clock', startMs }))) ===
        JSON.stringify({ unit: 'clock', startMs }),
    ),
  );
  const format = fc.constantFrom('smpte' as const, 'smpte-25' as const, 'smpte-30-drop' as const);
  fc.assert(
    fc.property(format, fc.integer({ min: 0, max: 10_000_000 }), (smpte, hundredths) => {
      const frameSeconds = smpte === 'smpte-25' ? 1 / 25 : 1001 / 30_000;
      const range = {
        unit: 'smpte',
        format: smpte,
        startSeconds: (hundredths / 100) * frameSeconds,
      } as const;
      const back = parseRange(formatRange(range));
      return back.unit === 'smpte' && Math.abs(back.startSeconds - range.startSeconds) < frameSeconds / 1000;
    }),
  );
  t.end();
});

t.test('backward the bounds stand in either order', (t) => {
  const table = [
    ['npt=20-10', { unit: 'npt', start: 20, end: 10 }],
    ['npt=10-20', { unit: 'npt', start: 10, end: 20 }],
    ['npt=20-', { unit: 'npt', start: 20 }],
    ['npt=20-0', { unit: 'npt', start: 20, end: 0 }],
    ['smpte-25=0:00:20-0:00:10', { unit: 'smpte', format: 'smpte-25', startSeconds: 20, endSeconds: 10 }],
    [
      'clock=19961108T143520Z-19961108T142300Z',
      { unit: 'clock', startMs: 847_463_720_000, endMs: 847_462_980_000 },
    ],
  ] as const;
  for (const [text, value] of table) {
    t.same(parseRange(text, 'viewer', 'backward'), value, text);
    const isReversed = !text.endsWith('-') && text !== 'npt=10-20';
    if (isReversed)
      t.throws(() => parseRange(text), { code: 'range-invalid', status: 457 }, `${text} forward`);
  }
  t.throws(() => parseRange('npt=5-5', 'viewer', 'backward'), { code: 'range-invalid' });
  t.end();
});

t.test('Scale and Speed', (t) => {
  const table = [
    ['2', 2, '2'],
    ['-1', -1, '-1'],
    ['1.0', 1, '1'],
    [' -1.50 ', -1.5, '-1.5'],
    ['.25', 0.25, '0.25'],
    ['+4.', 4, '4'],
    ['3.33333', 3.33333, '3.333'],
  ] as const;
  for (const [text, ratio, formatted] of table) {
    t.equal(parseRatio('scale', text), ratio, text);
    t.equal(formatRatio(ratio), formatted);
  }
  for (const text of ['', '0', '-0.0', 'x', '1e3', '2 x', '--1', '1001', '99999', '1.2.3', 'Infinity', '-'])
    t.throws(() => parseRatio('scale', text), { code: 'scale', status: 400 }, `Scale ${text}`);
  t.throws(() => parseRatio('speed', '-1'), { code: 'speed', status: 400 });
  t.end();
});

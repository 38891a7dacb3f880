import t from 'tap';
import { parsePortRange } from '../src/config-schema.js';
import { formatBytes, formatSpan, parseBytes, parseSeconds } from '../src/quantity.js';
import { formatSocketAddress, isLoopback, parseSocketAddress, reachableHost } from '../src/socket-address.js';

t.test('sizes are read as people write them', (t) => {
  const table: readonly (readonly [string, number])[] = [
    ['10GB', 10_000_000_000],
    ['256MB', 256_000_000],
    ['256MiB', 268_435_456],
    ['1.5 tb', 1_500_000_000_000],
    ['4096', 4096],
    ['0', 0],
    ['17b', 17],
    ['1kib', 1024],
    ['0.5KB', 500],
    [' 1 GiB ', 1_073_741_824],
  ];
  for (const [text, bytes] of table) t.equal(parseBytes(text), bytes, text);
  for (const text of ['', 'GB', '-1GB', '1e9', '10 apples', '1,5GB', '0x10', '99999999TB', 'NaN', '1GB1']) {
    t.throws(() => parseBytes(text), RangeError, `refuses '${text}'`);
  }
  t.end();
});

t.test('times are read as people write them', (t) => {
  const table: readonly (readonly [string, number])[] = [
    ['500ms', 0.5],
    ['30s', 30],
    ['30', 30],
    ['2m', 120],
    ['1.5h', 5400],
    ['1d', 86_400],
  ];
  for (const [text, seconds] of table) t.equal(parseSeconds(text), seconds, text);
  for (const text of ['', 'soon', '-3s', '1w', '3 s s']) t.throws(() => parseSeconds(text), RangeError, text);
  t.end();
});

t.test('sizes and spans are written with few figures', (t) => {
  const bytes: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [12_345, '12.3 kB'],
    [999_499, '999 kB'],
    [999_600, '1.00 MB'],
    [10_000_000_000, '10.0 GB'],
    [2_500_000_000_000_000_000, '2500 PB'],
  ];
  for (const [figure, text] of bytes) t.equal(formatBytes(figure), text);
  const spans: readonly (readonly [number, string])[] = [
    [0, '0 s'],
    [7.54, '7.5 s'],
    [60, '1:00'],
    [7384, '2:03:04'],
  ];
  for (const [seconds, text] of spans) t.equal(formatSpan(seconds), text);
  t.end();
});

t.test('addresses to listen on', (t) => {
  const table: readonly (readonly [string, string, number])[] = [
    ['0.0.0.0:8554', '0.0.0.0', 8554],
    ['[::]:8554', '::', 8554],
    ['[2001:db8::1]:0', '2001:db8::1', 0],
    ['localhost:9554', 'localhost', 9554],
    ['cache-1.example.org:554', 'cache-1.example.org', 554],
  ];
  for (const [text, host, port] of table) {
    t.same(parseSocketAddress(text), { host, port }, text);
    t.equal(formatSocketAddress({ host, port }), text, 'and back');
  }
  t.same(parseSocketAddress(':8554'), { host: '::', port: 8554 }, 'every address of the machine');
  const wrong = [
    '8554',
    '::1:8554',
    '127.0.0.1',
    'host:',
    'host:65536',
    'host:-1',
    '[::1]',
    '[fe80]:1',
    '300.1.2.3:1',
    'a b:1',
    '-a:1',
    'host:8554/x',
  ];
  for (const text of wrong) t.throws(() => parseSocketAddress(text), RangeError, `refuses '${text}'`);
  t.ok(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback));
  t.notOk(['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.evil.example'].some(isLoopback));
  t.equal(reachableHost('0.0.0.0'), '127.0.0.1');
  t.equal(reachableHost('192.0.2.1'), '192.0.2.1');
  t.end();
});

t.test('port ranges', (t) => {
  t.same(parsePortRange('20000-29999'), { first: 20_000, last: 29_999 });
  for (const text of ['20000', '29999-20000', '80-90', '60000-70000', '20000-20000', 'a-b']) {
    t.throws(() => parsePortRange(text), RangeError, text);
  }
  t.same(parsePortRange('20001-20003'), { first: 20_001, last: 20_003 }, 'one pair is in it');
  t.throws(() => parsePortRange('20001-20002'), /no pair of an even port and the next one/);
  t.end();
});

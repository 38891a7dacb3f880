import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { cleanLog, complaintText, surveyLog, type LoggedViewing } from '../src/access/request-log.js';
import { forebay } from './spawned.js';

const GOOD = '10,/a,60,0,30,1000000';

/** Viewings of forty titles, the first ones more often; the numbers come from a fixed rule. */
function sampleLog(viewings: number): string {
  const lines = Array.from({ length: viewings }, (_, i) => {
    const title = (i * 7919) % 100 < 60 ? (i * 31) % 4 : (i * 17) % 40;
    return `${1_800_000_000 + i * 60},/title-${title},600,${i % 5 === 0 ? 120 : 0},${60 + (i % 7) * 60},2000000`;
  });
  return `# time_s,title_id,duration_s,start_s,watched_s,bitrate_bps\n${lines.join('\n')}\n`;
}

t.test('a log is read line by line, and each bad line says what is wrong', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  const table: readonly (readonly [string, string])[] = [
    ['soon,/a,60,0,30', "time_s is no number: 'soon'"],
    ['10,,60,0,30', 'title_id is empty'],
    ['10,/a,0,0,30', 'duration_s is 0'],
    ['10,/a,-1,0,30', 'duration_s is negative: -1'],
    ['10,/a,60,,30', "start_s is no number: ''"],
    ['10,/a,60,0,\u001b[2Jx', "watched_s is no number: '\ufffd[2Jx'"],
    ['10,/a,60,0,30,fast', "bitrate_bps is no number: 'fast'"],
    ['10,/a', '2 of at least 5 columns: time_s,title_id,duration_s,start_s,watched_s[,bitrate_bps]'],
    [`10,/${'a'.repeat(9000)},60,0,30`, 'more than 8192 characters'],
  ];
  for (const [line, complaint] of table) {
    writeFileSync(path, `# a comment\n\n${GOOD}\r\n${line}\n`);
    const survey = await surveyLog(path);
    t.match(
      survey,
      { viewings: 1, skipped: 1, isFull: true, complaints: [`line 4: ${complaint}`] },
      complaint,
    );
  }
  writeFileSync(path, [GOOD, ...table.map(([line]) => line), GOOD].join('\n'));
  const survey = await surveyLog(path);
  t.match(survey, { viewings: 2, skipped: 9 });
  const text = complaintText('log', survey).split('\n');
  t.same(
    [text[0], text.slice(-3)],
    ["log: line 2: time_s is no number: 'soon'", ['log: and 4 more', 'log: 9 of 11 lines skipped', '']],
  );
  await cleanLog(path, `${path}.clean`);
  t.equal(readFileSync(`${path}.clean`, 'utf8'), `${GOOD}\n${GOOD}\n`);
});

t.test('what a log says', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  const read = async (text: string): Promise<unknown> => {
    writeFileSync(path, text);
    const viewings: (LoggedViewing | undefined)[] = [];
    const { isFull } = await surveyLog(path, (_line, viewing) => viewings.push(viewing));
    return { isFull, viewings };
  };
  t.same(await read(`${GOOD}\n11.5,/b,60,1,2\n`), {
    isFull: true,
    viewings: [
      {
        timeSeconds: 10,
        title: '/a',
        durationSeconds: 60,
        startSeconds: 0,
        watchedSeconds: 30,
        bitrateBps: 1e6,
      },
      {
        timeSeconds: 11.5,
        title: '/b',
        durationSeconds: 60,
        startSeconds: 1,
        watchedSeconds: 2,
        bitrateBps: undefined,
      },
    ],
  });
  const heading = 'time_s,title_id,duration_s,start_s,watched_s\n';
  t.match(await read(`${heading}${GOOD}\n`), { isFull: true });
  t.same(await read('time_s,object_id,client_id,method\n0.5,7,1,GETVIDEO\n'), {
    isFull: false,
    viewings: [undefined, undefined],
  });
  const useless: readonly (readonly [string, RegExp])[] = [
    ['', /no viewings; lines are time_s,/],
    ['a\nb\n', /no line can be read.*line 1: time_s is no number: 'a'; line 2/],
    [`${GOOD}\n1800000000,/a,60,0,30\n`, /time_s of line 2 is more than three years after that of line 1/],
  ];
  for (const [text, message] of useless) await t.rejects(read(text), { name: 'RequestLogError', message });
  await t.rejects(surveyLog(join(path, 'no')), { code: 'ENOTDIR' });
});

t.test('simulate: a table for people, with what was skipped', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  writeFileSync(path, `${sampleLog(2000)}what\n`);
  const args = ['simulate', path, '--sizes', '2GB, 200MB,800MB', '--policies', 'lru,belady'];
  const { code, out, err } = await forebay(args);
  t.equal(code, 0, err);
  t.match(err, /log\.csv: line 2002: 1 of at least 5 columns.*\n.*: 1 of 2001 lines skipped\n$/);
  t.match(out, /log\.csv: 2000 viewings of 40 titles in 1\.4 days\n/);
  t.match(out, / asked for, .* GB distinct\n/);
  const table = out
    .split('\n')
    .filter((line) => / GB | MB /.test(line) && line.includes('%') && !/[█·]/.test(line));
  t.same(
    table.map((line) => line.trim().slice(0, 7)),
    [' 200 MB', ' 800 MB', '2.00 GB'].map((size) => size.trim().padEnd(7)),
  );
  t.equal(out.match(/<- recommended/g)?.length, 1);
  t.equal(out.match(/█.* %/g)?.length, 3, 'the plot');
  for (const policy of ['forebay', 'lru', 'belady']) t.match(out, new RegExp(`^${policy} .* %`, 'm'));
});

t.test('simulate --json', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  writeFileSync(path, sampleLog(2000));
  const { code, out, err } = await forebay([
    'simulate',
    path,
    '--sizes',
    '200MB,2GB,1TB',
    '--policies',
    'lru',
    '--json',
  ]);
  t.equal(code, 0, err);
  t.equal(err, '');
  const found = JSON.parse(out) as {
    sizes: { capacityBytes: number; byteHitRatio: number; recommended: boolean }[];
    policies: { policy: string; capacityBytes: number; byteHitRatio: number }[];
  };
  t.match(found, { viewings: 2000, skippedLines: 0, titles: 40, footprintBytes: Number });
  t.same(
    found.sizes.map((size) => size.capacityBytes),
    [200e6, 2e9, 1e12],
  );
  const ratios = found.sizes.map((size) => size.byteHitRatio);
  t.same(
    ratios,
    ratios.toSorted((a, b) => a - b),
    'more is not worse',
  );
  t.ok(ratios[0]! > 0 && ratios[2]! < 1);
  t.equal(found.sizes.filter((size) => size.recommended).length, 1);
  t.same(
    found.policies.map(({ policy, capacityBytes }) => [policy, capacityBytes]),
    [200e6, 2e9, 1e12].map((size) => ['lru', size]),
  );
});

t.test('simulate: what cannot be', async (t) => {
  const path = join(t.testdir(), 'log.csv');
  writeFileSync(path, `${GOOD}\n`);
  const table: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[path, '--sizes', '9 lives'], 2, /^forebay: --sizes: '9 lives' is not a size/],
    [[path, '--sizes', ','], 2, /^forebay: --sizes: give sizes such as/],
    [[path, '--sizes', '0,1GB'], 2, /^forebay: --sizes: give sizes such as/],
    [[path], 2, /--sizes/],
    [
      [path, '--sizes', '1GB', '--policies', 'oracle'],
      2,
      /^forebay: --policies: oracle is not one of forebay /,
    ],
    [[`${path}.no`, '--sizes', '1GB'], 1, /^forebay: ENOENT/],
    [['/dev/null', '--sizes', '1GB'], 1, /^forebay: \/dev\/null: no viewings/],
  ];
  await Promise.all(
    table.map(async ([args, code, line]) => {
      const ended = await forebay(['simulate', ...args]);
      t.equal(ended.code, code, args.join(' '));
      t.match(ended.err, line);
      t.notMatch(ended.err, '    at ');
    }),
  );
});

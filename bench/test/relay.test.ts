import t from 'tap';
import type { Trial } from '../src/relay/measure.js';
import { UsageError } from '../src/command.js';
import { parseOptions, USAGE } from '../src/relay/options.js';
import { relayLine, relayMarkdown, relayPlot, type Run } from '../src/relay/report.js';
import { scheduleOf } from '../src/relay/schedule.js';
import type { ServerName } from '../src/relay/scenes.js';
import { titleOf } from '../src/relay/titles.js';

function trial(scene: string, server: ServerName, nsPerPacket: number): Trial {
  return {
    scene,
    server,
    cpuNs: nsPerPacket * 1000,
    packets: 1000,
    writes: 50,
    bytes: 1_328_000,
    windowMs: 1000,
    playing: 10,
    closed: 0,
    lost: 0,
    lateMs: { earliest: -1, p50: 0, p99: 1, p999: 2, worst: 3 },
    startupMs: { p50: 1, p99: 2 },
    sinkCpu: 0.1,
    residentBytes: 1e8,
    lagMs: server === 'forebay' ? { p99Ms: 1, mostMs: 2 } : undefined,
  };
}

const run: Run = {
  command: 'pnpm -s bench:relay',
  endedAt: '2026-01-01T00:00:00Z',
  machine: {
    processor: 'test',
    cores: 2,
    memoryGiB: 4,
    kernel: 'Linux 6',
    node: 'v20',
    gstreamer: '1',
    commit: 'none',
    load: 0,
  },
  loadAtEnd: 0,
  stolen: 0.012,
  trials: [
    ...[300, 500, 400].map((ns) => trial('heldTcp', 'forebay', ns)),
    trial('heldTcp', 'bareNode', 320),
    trial('heldUdp', 'forebay', 900),
    trial('heldUdp', 'forebayDgram', 4500),
    trial('heldUdp', 'bareC', 1000),
  ],
  loads: [],
  memory: { sessions: 2000, idleBytesPerSession: 20_480, playingBytesPerSession: 102_400 },
  startup: undefined,
  disk: undefined,
  tls: undefined,
};

t.test('the line has medians, and null for what was not measured', async (t) => {
  t.strictSame(JSON.parse(relayLine(run)), {
    heldTcp: { nsPerPacket: 400, bareNode: 320, bareC: null },
    liveTcp: { nsPerPacket: null, bareNode: null, bareC: null },
    heldUdp: { nsPerPacket: 900, dgram: 4500, bareGso: 1000 },
    liveUdp: { nsPerPacket: null, dgram: null, bareGso: null },
    viewersPerCore: { heldTcp: null, heldUdp: null },
  });
});

t.test('the report says which goals were met, ratios first', async (t) => {
  const text = relayMarkdown(run);
  t.match(text, 'its host kept 1.2 % of the processors for others');
  t.match(text, /held, TCP, of the bare Node loop \| +1\.25 \| +at most 1\.3 \| met/);
  t.match(text, /held, UDP, of the `dgram` path +\| +0\.20 \| +at most 0\.4 \| met/);
  t.match(text, /a playing session +\| 100\.0 KiB \| +at most 64 KiB \| missed/);
  t.match(relayPlot(run), /^<svg /);
});

t.test('options that make no sense are refused', async (t) => {
  for (const args of [['--rounds', '0'], ['--only', 'nothing'], ['--peer', 'x'], ['--nonsense']])
    t.throws(() => parseOptions(args), UsageError, args.join(' '));
  t.equal(parseOptions(['--help']), 'help');
  t.match(parseOptions(['--quick']), { isQuick: true, rounds: 1 });
});

t.test('the packets that bare loops send are the title’s', async (t) => {
  const { bytes, offsets, dueMicros } = scheduleOf(titleOf(1000));
  t.equal(offsets.at(-1), bytes.length);
  t.ok(dueMicros.every((due, i) => i === 0 || due >= dueMicros[i - 1]!));
  for (const i of [0, 1, dueMicros.length - 1]) {
    const at = offsets[i]!;
    t.equal(bytes[at], 0x24);
    t.equal(bytes.readUInt16BE(at + 2), offsets[i + 1]! - at - 4);
    t.equal(bytes.readUInt16BE(at + 6), i & 0xffff);
  }
});

t.test('the usage line has every option that is explained below it', async (t) => {
  const [usage = '', ...explained] = USAGE.split('\n');
  const flags = explained.flatMap((line) => /^ {2}(--[a-z-]+)/.exec(line)?.[1] ?? []);
  t.ok(flags.includes('--only'));
  for (const flag of flags) t.match(usage, flag);
});
